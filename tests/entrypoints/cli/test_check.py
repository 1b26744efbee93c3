"""The state of everything in one line and one exit status."""

import json
from datetime import timedelta

import pytest

from entrypoints.cli.check import summarise
from orchestration.decisions.freshness import judge_streams
from orchestration.decisions.health import of_notices, of_scheduler
from orchestration.decisions.overview import LocationFacts, Overview, view
from orchestration.decisions.timetable import Intervals
from storage.states import LocationState
from tests.support.examples import HOUR, NOW, make_location, make_stream

NOTHING = LocationFacts(reports={}, counts=(), closing=None)


def overview(*streams, **location) -> Overview:
    """Put an overview of one location together."""
    one = make_location(**location)
    verdicts = judge_streams(one, streams, Intervals(delta={}, full={}, deep={}), NOW)
    return Overview(
        now=NOW,
        locations=[view(one, verdicts, NOW, NOTHING, is_scheduler_running=True)],
        ticked_at=NOW,
        scheduler=of_scheduler(NOW, NOW),
        notices=of_notices(0, None, NOW),
        outages={},
    )


def test_all_is_well():
    """In step: how many streams, how old the oldest is, and the numbers that monitoring draws."""
    line = summarise(overview(make_stream(seen_at=NOW), make_stream(seen_at=NOW - timedelta(minutes=3))))
    assert (
        line == "PAGETURNER OK - 2 streams of 1 locations in step, the oldest 3 min ago | streams=2 bad=0 oldest=180s"
    )


def test_new_streams_are_counted():
    """A stream that was never read is no trouble, and said."""
    line = summarise(overview(make_stream(seen_at=NOW), make_stream(), added_at=NOW))
    assert "1 streams of 1 locations in step, 1 not read yet" in line


def test_the_first_troubles_are_named():
    """The worst troubles stand in the line, the others as a number; a bar of theirs is none of the line's."""
    late = [make_stream(seen_at=NOW, problem=f"Trouble|{number}.") for number in range(5)]
    line = summarise(overview(*late))
    assert line.startswith("PAGETURNER WARNING - hq assignments: Trouble/0; hq assignments: Trouble/1;")
    assert "; 2 more | streams=5 bad=5" in line
    assert line.count("|") == 1


def test_a_refused_token_is_critical():
    """A token that is no good is critical, whatever its streams are."""
    line = summarise(overview(make_stream(seen_at=NOW), state=LocationState.REVOKED))
    assert line.startswith("PAGETURNER CRITICAL - hq: The token was revoked")


def test_no_locations():
    """An installation without locations is in order."""
    empty = Overview(
        now=NOW,
        locations=[],
        ticked_at=None,
        scheduler=of_scheduler(None, NOW),
        notices=of_notices(0, None, NOW),
        outages={},
    )
    assert summarise(empty) == "PAGETURNER OK - no locations yet | streams=0 bad=0 oldest=0s"


@pytest.mark.parametrize(
    ("seen", "status", "verdict"),
    [(timedelta(), 0, "ok"), (timedelta(minutes=25), 1, "warning"), (timedelta(hours=3), 2, "critical")],
)
def test_the_status_is_the_verdict(terminal, seen, status, verdict):
    """The exit status of `status --check` is that of a Nagios plugin, and its JSON says the same."""
    terminal.store.locations.watch("hq", ["assets"])
    terminal.publish("assets", {"adamId": "7", "pricingParam": "STDQ"}, version="v1")
    age(terminal, seen)
    ended = terminal.run("status", "--check")
    assert (ended.status, ended.out.split()[1].lower()) == (status, verdict)
    ended = terminal.run("status", "--check", "--json")
    found = json.loads(ended.out)
    assert (ended.status, found["verdict"], bool(found["bad"])) == (status, verdict, status > 0)
    assert found["oldest_seconds"] >= seen.total_seconds()


def test_one_age_for_all(terminal):
    """With `--max-age`, what is older is critical, and nothing else counts."""
    terminal.store.locations.watch("hq", ["assets"])
    terminal.publish("assets", {"adamId": "7", "pricingParam": "STDQ"}, version="v1")
    age(terminal, HOUR)
    assert terminal.run("status", "--check", "--max-age", "2h").status == 0
    assert terminal.run("status", "--check", "--max-age", "30m").status == 2


def test_no_verdict_is_unknown(terminal):
    """What prevents a verdict is the verdict UNKNOWN, and not a failed command."""
    terminal.monkeypatch.setenv("PAGETURNER_DATABASE_URL", "mysql://x/y")
    ended = terminal.run("status", "--check")
    assert ended.status == 3
    assert ended.out.startswith("PAGETURNER UNKNOWN - ")


def age(terminal, by: timedelta) -> None:
    """Let the streams have been in step this long ago."""
    with terminal.store.database.write() as connection:
        moment = (terminal.store.database.now() - by).replace(tzinfo=None)
        connection.exec_driver_sql("UPDATE streams SET seen_at = ? WHERE seen_at IS NOT NULL", (str(moment),))
