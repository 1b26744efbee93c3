"""Commands in this process, over a database that a test has filled: what they print, and the status they end with."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from entrypoints.cli.main import run
from entrypoints.exits import Exit
from settings import read_settings
from storage.closings import Shut
from storage.sealer import Sealer, make_key
from storage.states import Cause, LocationState, Trouble
from tests.support.filled_store import FilledStore, make_token


def test_notices_are_listed(terminal):
    """Each notice is a line: when, of which location and type, and what was done; without any, a sentence says so."""
    assert "No notices: `pageturner notices subscribe`" in terminal.run("notices", "list").err
    terminal.receive("1", "a")
    terminal.receive("7", "b", notificationType="NEWS")
    listed = terminal.run("notices", "list").out.splitlines()
    assert [line.split()[-5:] for line in listed[1:]] == [["not", "yet", "1", "x", "7"], ["not", "yet", "1", "x", "1"]]
    terminal.store.notices.handle(lambda _: ("assignments",))
    listed = terminal.run("notices", "list").out
    assert "unknown location" in listed
    assert "assignments" in listed
    assert "No such notices." in terminal.run("notices", "list", "hq", "--unhandled").err


def test_notices_are_replayed(terminal):
    """Notices of a location, of the last hours or of an id are handled once more; a choice of none is a mistake."""
    terminal.receive("1", "a")
    terminal.store.notices.handle(lambda _: ("assignments",))
    assert "handle 1 notices of 1 locations again" in terminal.run("notices", "replay", "hq", "--since", "1h").err
    for arguments, words in (
        ((), "Which notices?"),
        (("--since", "ever"), "not a valid interval"),
        (("--id", "unknown"), "no such notices"),
    ):
        ended = terminal.run("notices", "replay", *arguments)
        assert (ended.status, words in ended.err) == (Exit.USAGE, True), ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("notices", "subscribe", "hq", "--url", "https://x/notices", "--type", "NEWS"), "There is no type NEWS"),
        (("notices", "subscribe", "hq", "--url", "http://[x/notices"), "The URL cannot be read"),
        (("notices", "subscribe", "hq", "--url", "https://x/notices?a=b"), "This is none"),
        (("accept", "hq", "--resource", "apps"), "apps"),
        (("accept", "hq"), "Nothing of 'hq' waits to be accepted."),
        (("export", "apps"), "apps"),
        (("export", "users", "--output", "users.xlsx"), "users.xlsx: no format has this ending (.csv, .ndjson"),
        (("changes", "--after", "soon"), "'soon' is neither a number nor a bookmark."),
        (("changes", "--after", "99"), "99 lies beyond the feed"),
        (("status", "--check", "--max-age", "old"), "--max-age: 'old' is not a valid interval"),
        (("locations", "watch", "hq", "assets,apps"), "apps"),
        (("report", "licences", "--where", "name=\udcff"), r"the argument name=\udcff is not text in utf-8"),
        (("locations", "remove", "nowhere"), "There is no such location. ('nowhere'; there are hq)"),
    ],
)
def test_a_wrong_argument_is_named(terminal, arguments, words):
    """What cannot be done is said in a sentence that names it, with the status of a wrong argument."""
    ended = terminal.run(*arguments)
    assert ended.status == Exit.USAGE
    assert words in ended.err


def test_the_feed_is_read(terminal):
    """Each change is a line, and an update says which fields changed; pruned changes are said to be gone."""
    asset = {"adamId": "7", "pricingParam": "STDQ"}
    terminal.publish("assets", asset | {"totalCount": 5}, version="v1")
    terminal.publish("assets", asset | {"totalCount": 6}, version="v2")
    lines = terminal.run("changes").out.splitlines()
    assert lines[0].endswith("hq  7: new, 5 owned")
    assert lines[1].endswith("hq  7: totalCount 5 -> 6")
    bookmark = terminal.run("changes", "--bookmark").out.strip()
    assert terminal.run("changes", "--after", bookmark).out == ""
    while terminal.store.feed.prune(timedelta(seconds=-1)):
        continue
    assert "Changes up to 2 are no longer kept." in terminal.run("changes").err
    assert "1 is too long ago" in terminal.run("changes", "--after", "1").err
    assert terminal.run("restored").status == 0
    assert "another feed" in terminal.run("changes", "--after", bookmark).err


def test_an_export_is_safe_for_spreadsheets(terminal):
    """Formulas are defused on request; with two locations, the one to export must be named."""
    terminal.publish(
        "users", {"clientUserId": "=1+1", "email": "a@b", "idHash": "", "status": "Associated"}, version="v1"
    )
    file = terminal.home / "users.csv"
    assert terminal.run("export", "users", "--output", str(file), "--for-spreadsheets").status == 0
    assert "'=1+1,a@b" in file.read_text()
    terminal.store.add("other", "2")
    assert "Say which location, with --location: hq, other." in terminal.run("export", "users").err


def test_status_says_what_waits(terminal):
    """Notices that nobody handled, a shut gate, a refused token and a failing stream are each a line, with advice."""
    terminal.receive("1", "a")
    terminal.store.closings.keep(
        ["1"], Shut(seconds=300.0, step=1, why="Apple asks for fewer requests (too many calls, 9646).")
    )
    crawl = terminal.store.crawls.get(
        terminal.store.open(terminal.store.stream(terminal.store.location, "users")).crawl_id
    )
    cause = Cause(
        reason="users: Apple does not let the token read this list.", trouble=Trouble.PERSON, error="Forbidden"
    )
    terminal.store.crawls.fail(crawl, cause)
    told = terminal.run("status").err
    assert "Notices: 1 not handled yet" in told
    assert "hq: Apple is asked again in" in told
    assert "hq users: users: Apple does not let the token read this list. Check at Apple what its owner may do" in told
    terminal.store.locations.mark(1, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    told = terminal.run("status").err
    assert (
        "hq: The token was revoked. Download the newest token from Apple. Then: `pageturner locations rotate hq" in told
    )
    assert "locations rotate hq" in terminal.run("locations", "list").err


def test_lists_of_none_say_so(terminal):
    """A list without a line says why it is empty."""
    assert "No location matches (1 are kept)." in terminal.run("locations", "list", "nowhere").err
    assert "No location has been removed." in terminal.run("locations", "list", "--removed").err
    terminal.store.locations.remove("hq")
    assert "No locations yet" in terminal.run("locations", "list").err
    assert "No locations yet" in terminal.run("status").err


def test_tokens_are_sealed_anew(terminal):
    """After `reseal` the old key is not needed any more; a key that is none is refused without quoting it."""
    old = (terminal.home / "key").read_text().strip()
    new = make_key()
    terminal.monkeypatch.setenv("PAGETURNER_SECRET_KEYS", f"{new},{old}")
    assert "Sealed with the first key: 1 tokens, and 0 addresses" in terminal.run("reseal").err
    store = FilledStore(terminal.store.database, Sealer([new]))
    assert store.locations.token(store.location).text == make_token().text
    terminal.monkeypatch.setenv("PAGETURNER_SECRET_KEYS", "not-a-key")
    ended = terminal.run("status")
    assert "A key is not 32 bytes in URL-safe base64" in ended.err
    assert "not-a-key" not in ended.err
    assert terminal.run("--version").status == 0


def test_alive(terminal):
    """A home without workers, and one whose worker hangs, are not alive; heartbeats of dead processes do not count."""
    assert "No worker runs in this home." in terminal.run("alive").err
    folder = read_settings().heartbeats
    folder.mkdir(parents=True)
    beat = folder / str(os.getpid())
    beat.touch()
    (folder / "4194305").touch()  # no process has such a number
    assert terminal.run("alive").status == 0
    long_ago = time.time() - 90
    os.utime(beat, (long_ago, long_ago))
    ended = terminal.run("alive")
    assert (ended.status, "has not responded for 9" in ended.err) == (Exit.FAILED, True)


def test_a_home_that_cannot_be_written(terminal):
    """An error of the file system is a sentence with the file's name."""
    terminal.monkeypatch.setenv("PAGETURNER_HOME", "/proc/no-such-home")
    ended = terminal.run("status")
    assert ended.status in {Exit.USAGE, Exit.FAILED, Exit.AWAY}
    assert "/proc/no-such-home" in ended.err
    assert "Traceback" not in ended.err


def test_when_a_token_expires(terminal):
    """A token that expires soon is said to, with the command that renews it."""
    soon = datetime.now(UTC) + timedelta(days=5, hours=1)
    terminal.store.locations.note_expiry(1, soon)
    told = terminal.run("status").err
    assert "The token expires in 5 days" in told
    assert "Renew it at Apple. Then: `pageturner locations rotate hq FILE`." in told


def test_a_mistyped_setting_is_said(terminal):
    """A variable that no setting reads is named before the command does its work."""
    terminal.monkeypatch.setenv("PAGETURNER_DELTA_EVRY", "5m")
    ended = terminal.run("status")
    assert "PAGETURNER_DELTA_EVRY" in ended.err
    assert ended.status == 0


def test_an_interrupted_command(terminal):
    """Ctrl-C ends a command with a sentence and its own status."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    terminal.monkeypatch.setattr("storage.locations.Locations.watched", interrupt)
    ended = terminal.run("status")
    assert (ended.status, ended.err) == (130, "pageturner: stopped.\n")


def test_a_bug_is_not_hidden(terminal):
    """An error that nobody knows is raised with its traceback: it is to be reported."""

    def fail(*_: object) -> None:
        raise KeyError("a bug")

    terminal.monkeypatch.setattr("storage.locations.Locations.watched", fail)
    terminal.monkeypatch.setattr(sys, "argv", ["pageturner", "status"])
    with pytest.raises(KeyError, match="a bug"):
        run()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--switch", "colour=red"), "'colour=red' is none of"),
        (("--switch", "errors=500"), "'errors=500' is none of"),
        (("--count", "apps=5"), "'apps=5' is not RESOURCE=COUNT"),
        (("--count", "licenses=many"), "'licenses=many' is not RESOURCE=COUNT"),
        (("--locations", "0"), "should be greater than or equal to 1"),
    ],
)
def test_a_simulator_that_cannot_be(terminal, arguments, words):
    """A switch, a choice or a count that does not exist is refused by its name."""
    ended = terminal.run("simulate", *arguments)
    assert ended.status == Exit.USAGE
    assert words in "".join(line.strip("│ ") for line in ended.err.splitlines())
