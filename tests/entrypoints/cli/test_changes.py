"""`pageturner changes`: sentences for people, lines for programs, and a choice of what is wanted."""

import csv
import io
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from apple.client import ClientConfig
from apple.listings import Listing, Storefront
from entrypoints.exits import Exit
from storage.listings import WantedListing
from storage.schema import changes
from tests.support.processes import COMMAND

HOME = Storefront(country="us", catalogue="enterprisestore")


def given(adam_id, **holder):
    """Make an assignment."""
    return {"adamId": adam_id, "pricingParam": "STDQ", **holder}


@pytest.fixture
def lived(terminal):
    """A terminal at a mirror in which some things have happened: 2 assets, 3 and 1 assignments, a user who left."""
    store = terminal.store
    config = ClientConfig(uid="1", name="HQ", owner=None, token_expires=None, country="US")
    store.locations.note_config(store.location.id, config)
    asset = {"adamId": "100", "pricingParam": "STDQ", "totalCount": 5}
    terminal.publish("assets", asset, asset | {"adamId": "200"}, version="v1")
    store.listings.want_new()
    now = datetime.now(UTC)
    wanted = WantedListing(adam_id="100", seen_from=HOME)
    store.listings.note_found(wanted, Listing(adam_id="100", name="Keynote"), HOME, "en-us", now, now)
    first = [given("100", serialNumber="A"), given("100", clientUserId="u1"), given("200", serialNumber="A")]
    terminal.publish("assignments", *first, version="v1")
    terminal.publish("assignments", *first[1:], given("100", serialNumber="B"), version="v2")
    user = {"clientUserId": "u1", "email": "u1@example.com", "status": "Associated"}
    terminal.publish("users", user, version="v1")
    terminal.publish("users", user | {"status": "Retired"}, version="v2")
    terminal.publish("assets", asset | {"totalCount": 6}, version="v2")
    return terminal


def told(terminal, *arguments):
    """Return the sentences of a command, without number, moment and location."""
    return [line.split("  ", 3)[3] for line in terminal.run("changes", *arguments).out.splitlines()]


def test_a_person_reads_sentences(lived):
    """Changes of one app in one crawl are one sentence, with its name; a user who leaves is one who retired."""
    assert sorted(told(lived)[:2]) == ["200: new, 5 owned", "Keynote: new, 5 owned"]
    rest = told(lived)[2:]
    assert sorted(rest[:2]) == ["200: +1 assigned, A", "Keynote: +2 assigned, A, u1"] or sorted(rest[:2]) == [
        "200: +1 assigned, A",
        "Keynote: +2 assigned, u1, A",
    ]
    assert rest[2] in {"Keynote: +1 assigned, B; -1 assigned, A", "Keynote: -1 assigned, A; +1 assigned, B"}
    assert rest[3:5] == ["1 user added: u1", "1 user retired: u1"]
    assert sorted(rest[5:]) == ["200: no longer there, 5 were owned", "Keynote: totalCount 5 -> 6"]


def test_who_had_retired_before_is_listed(terminal):
    """A user who had retired before the first reading did not retire then; one change left out is said."""
    users = [{"clientUserId": f"u{number}", "idHash": f"h{number}", "status": "Retired"} for number in (1, 2)]
    terminal.publish("users", *users, version="v1")
    assert told(terminal) in (["2 users listed as retired: u1, u2"], ["2 users listed as retired: u2, u1"])
    ended = terminal.run("changes", "--limit", "1")
    assert "1 user listed as retired" in ended.out
    assert "--limit 1: later changes are neither shown nor counted here." in ended.err


def test_no_change(lived):
    """Where nothing changed, a sentence says so to a person; a program has no lines."""
    assert lived.run("changes", "--since", "2999-01-01").err.endswith("No such changes.\n")
    assert lived.run("changes", "--since", "2999-01-01", "--format", "ndjson").err == ""


def test_each_pricing_is_told(terminal):
    """An app in two pricings is two sentences, and one that changes its pricing is new and gone."""
    asset = {"adamId": "300", "totalCount": 5}
    terminal.publish("assets", asset | {"pricingParam": "STDQ"}, asset | {"pricingParam": "PLUS"}, version="v1")
    terminal.publish("assets", asset | {"pricingParam": "STDQ"}, version="v2")
    assert sorted(told(terminal)) == [
        "300 (PLUS): new, 5 owned",
        "300 (PLUS): no longer there, 5 were owned",
        "300: new, 5 owned",
    ]


def test_what_lost_its_holder_is_about_it(lived):
    """A legacy licence that is taken from a device is found by that device, and by the number of its app."""
    records = [{"licenseIdStr": "L1", "adamIdStr": "9", **holder} for holder in ({"serialNumber": "S1"}, {})]
    before, after = map(json.dumps, records)
    change = {"seq": 13, "at": datetime.now(UTC), "location_id": 1, "resource": "licenses", "op": "update"}
    with lived.store.database.write() as connection:
        connection.execute(sa.insert(changes).values(change | {"before": before, "after": after, "crawl_id": 1}))
    assert len(lived.run("changes", "--json", "--holder", "S1").out.splitlines()) == 1
    assert len(lived.run("changes", "--json", "--app", "9").out.splitlines()) == 1


def test_many_are_counted(terminal):
    """A sentence names some holders, and counts the others."""
    many = [given("7", serialNumber=f"S{number}") for number in range(9)]
    terminal.publish("assignments", *many, version="v1")
    [sentence] = told(terminal)
    assert sentence.startswith("7: +9 assigned, S")
    assert sentence.endswith(" and 5 more")


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--resource", "assignments"), 5),
        (("--op", "delete"), 3),
        (("--app", "keynote"), 6),
        (("--app", "200"), 3),
        (("--holder", "A"), 3),
        (("--holder", "u1", "--resource", "assignments"), 1),
        (("--limit", "4"), 4),
        (("--since", "1h"), 12),
        (("--until", "2020-01-01"), 0),
        (("--since", "2020-01-01T10:00", "--until", "2020-01-02"), 0),
    ],
)
def test_a_choice(lived, arguments, count):
    """What is wanted is chosen by list, operation, app, holder, time and number."""
    lines = lived.run("changes", "--json", *arguments).out.splitlines()
    assert len(lines) == count, lines


def test_since_is_exact(lived):
    """Of a feed of a year what is asked for is found, wherever in it that begins."""
    now = datetime.now(UTC)
    with lived.store.database.write() as connection:
        for seq in range(1, 13):
            at = now - timedelta(days=100 - 7 * seq)
            connection.execute(sa.update(changes).where(changes.c.seq == seq).values(at=at))
    for seq in range(1, 13):
        day = now - timedelta(days=100 - 7 * seq, minutes=1)
        lines = lived.run("changes", "--json", "--since", day.isoformat()).out.splitlines()
        assert [json.loads(line)["seq"] for line in lines] == list(range(seq, 13))


def test_csv(lived):
    """CSV has a header, a bookmark to go on from, moments with a zone, and records as JSON."""
    rows = list(csv.DictReader(io.StringIO(lived.run("changes", "--format", "csv").out)))
    assert len(rows) == 12
    assert datetime.fromisoformat(rows[0]["at"]).tzinfo is not None
    assert json.loads(rows[-1]["key"])["adamId"] in {"100", "200"}
    assert lived.run("changes", "--json", "--after", rows[-1]["bookmark"]).out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "--since: 'yesterday' is neither a time ago"),
        (("--until", "7x"), "--until: '7x' is neither a time ago"),
        (("--since", "0001-01-01"), "there is nothing of the year 1"),
        (("--after", "9" * 5000), "is neither a number nor a bookmark"),
        (("--follow", "--limit", "3"), "--follow goes on for ever"),
        (("--app", "Unknown"), "No app or book is called 'Unknown'"),
        (("--resource", "apps"), "There is no resource 'apps'"),
        (("--location", "nowhere"), "There is no such location."),
    ],
)
def test_a_mistake_is_named(lived, arguments, words):
    """What cannot be understood is named."""
    ended = lived.run("changes", *arguments)
    assert (ended.status, words in ended.err) == (Exit.USAGE, True), ended.err


def test_the_feed_is_followed(lived):
    """What is committed later is written when it is, for as long as the command runs."""
    command = [COMMAND, "changes", "--follow", "--json", "--resource", "users"]
    env = os.environ | {"PAGETURNER_HOME": str(lived.home)}

    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            before = [json.loads(child.stdout.readline())["op"] for _ in range(3)]
            lived.publish("users", {"clientUserId": "u2", "status": "Associated"}, version="v3")
            after = {json.loads(child.stdout.readline())["op"] for _ in range(2)}
        finally:
            child.kill()
    assert sorted(before) == ["delete", "insert", "insert"]
    assert after == {"insert", "delete"}
