"""`pageturner orphans` and `compare`: a person's own files beside what Apple says."""

import csv
import io
import json

import pytest

from entrypoints.exits import Exit

KEYNOTE, PAGES = "361285480", "361309726"


def assignment(adam_id, **holder):
    """Return an assignment as Apple sends it."""
    return {"adamId": adam_id, "pricingParam": "STDQ", **holder}


@pytest.fixture
def held(terminal):
    """A terminal at a mirror in which three devices and two people hold apps."""
    common = {"pricingParam": "STDQ", "productType": "App", "retiredCount": 0, "supportedPlatforms": ["iOS"]}
    counts = {"assignedCount": 3, "availableCount": 7, "totalCount": 10}
    terminal.publish(
        "assets",
        {"adamId": KEYNOTE, "revocable": True, **common, **counts},
        {"adamId": PAGES, "revocable": False, **common, **counts},
        version="v1",
    )
    terminal.publish(
        "users",
        {"clientUserId": "u1", "email": "Ann@example.org", "idHash": "h1", "status": "Associated"},
        {"clientUserId": "u2", "email": "bob@example.org", "idHash": "h2", "status": "Associated"},
        version="v1",
    )
    terminal.publish(
        "assignments",
        *(assignment(KEYNOTE, serialNumber=serial) for serial in ("F9FX0001", "F9FX0002", "F9FX0003")),
        assignment(PAGES, serialNumber="F9FX0003"),
        assignment(KEYNOTE, clientUserId="u1"),
        assignment(KEYNOTE, clientUserId="u2"),
        assignment(KEYNOTE, clientUserId="u3"),
        version="v1",
    )
    return terminal


def write(terminal, text):
    """Write a file of a person's own."""
    path = terminal.home / "own.csv"
    path.write_text(text)
    return str(path)


def rows(ended):
    """Return the rows of a CSV that a command wrote."""
    assert ended.status == Exit.IN_STEP, ended.err
    return list(csv.DictReader(io.StringIO(ended.out)))


def test_orphans(held):
    """Devices that a file does not know are listed, and it makes no user an orphan: it says nothing of people."""
    known = write(held, "Device;Serial Number\nMac;f9fx0001\nMac;F9FX0002\n")
    found = rows(held.run("orphans", "--known", known, "--format", "csv"))
    assert [(one["serial_number"] or one["client_user_id"], one["adam_id"], one["reason"]) for one in found] == [
        ("F9FX0003", KEYNOTE, "unknown device"),
        ("F9FX0003", PAGES, "unknown device"),
    ]
    assert [one["revocable"] for one in found] == ["true", "false"]
    assert all(one["as_of"] for one in found)


def test_people_who_left(held):
    """People are compared by address, and devices are left alone where nobody said which are known."""
    people = write(held, "E-Mail Address\nANN@example.org\n")
    found = rows(held.run("orphans", "--people", people, "--format", "csv"))
    assert [(one["client_user_id"], one["reason"]) for one in found] == [("u2", "left"), ("u3", "unknown user")]


def test_requests_to_take_back(held):
    """The requests are written beside the list, without what cannot be taken back; none is sent."""
    own, batches = write(held, "serial,user id\nF9FX0001,u1\n,u2\n"), held.home / "batches.json"
    ended = held.run("orphans", "--known", own, "--people", own, "--batches", str(batches))
    assert "2 requests are in" in ended.err
    assert "nothing was sent" in ended.err
    bodies = [one["body"] for one in json.loads(batches.read_text())]
    keynote = [{"adamId": KEYNOTE, "pricingParam": "STDQ"}]
    assert bodies == [
        {"assets": keynote, "serialNumbers": ["F9FX0002", "F9FX0003"]},
        {"assets": keynote, "clientUserIds": ["u3"]},
    ]


def test_everybody_is_known(held):
    """Where nobody is gone, a sentence says so."""
    held.publish("users", *({"clientUserId": f"u{n}", "status": "Registered"} for n in (1, 2, 3)), version="v2")
    known = write(held, "serial,user id\nF9FX0001,u1\nF9FX0002,u2\nF9FX0003,u3\n")
    ended = held.run("orphans", "--known", known, "--people", known, "--location", "hq")
    assert (ended.out, ended.err) == ("", "Everybody who holds a licence is known.\n")


def test_nothing_was_read(terminal):
    """Where no list has been read, nobody can be found, and that is no all-clear."""
    for command in (("orphans", "--known"), ("compare", "--file")):
        ended = terminal.run(*command, write(terminal, "Serial Number\nF9FX0001\n"))
        assert (ended.status, "Nothing of this was read from Apple yet" in ended.err) == (Exit.USAGE, True), ended.err


def test_a_list_was_never_read(held):
    """What was never read of one location is missing in the answer, which says so."""
    held.store.add("lab", "2")
    ended = held.run("orphans", "--known", write(held, "Serial Number\nF9FX0001\n"))
    assert "Some lists of lab were never read, and are not in this answer" in ended.err


def test_a_file_of_strangers(held):
    """A file of which nobody holds anything is refused: everybody would count as gone."""
    ended = held.run("orphans", "--known", write(held, "Serial Number\nAAAA\n"))
    assert ended.status == Exit.USAGE
    assert "none of the 1 entries of 'Serial Number' holds a licence at Apple as its serial_number." in ended.err
    ended = held.run("compare", "--file", write(held, "Serial Number\nAAAA\n"))
    assert "none of its 1 entries of serial_number is at Apple" in ended.err


def test_one_column_of_strangers(held):
    """A column that knows nobody is refused although another one does: people would count as gone by it."""
    staff = write(held, "User ID,Email\n4711,ann@example.org\n4712,bob@example.org\n")
    ended = held.run("orphans", "--people", staff)
    assert (ended.status, "of 'User ID' holds a licence at Apple as its client_user_id" in ended.err) == (
        Exit.USAGE,
        True,
    )
    assert held.run("orphans", "--people", staff, "--map", "client_user_id=Email").status == Exit.USAGE


def test_orphans_of_whom(held):
    """Without a file there is nothing to compare with."""
    assert "Say whom you know: --known serials.csv" in held.run("orphans").err


def test_compare_who_holds_what(held):
    """A file of devices and apps is compared pair by pair."""
    file = write(held, f"Serial Number,Adam ID\nF9FX0001,{KEYNOTE}\nF9FX0002,{PAGES}\nF9FX0003,{KEYNOTE}\n")
    found = rows(held.run("compare", "--file", file, "--format", "csv"))
    assert [(one["difference"], one["serial_number"], one["adam_id"]) for one in found] == [
        ("only at Apple", "F9FX0002", KEYNOTE),
        ("only at Apple", "F9FX0003", PAGES),
        ("only in the file", "F9FX0002", PAGES),
    ]


def test_compare_devices(held):
    """A file of devices alone says which hold nothing at Apple, and which of Apple's it lacks."""
    found = rows(held.run("compare", "--file", write(held, "F9FX0001\nF9FX0009\n"), "--format", "csv"))
    assert [(one["difference"], one["serial_number"], one["at_apple"]) for one in found] == [
        ("only at Apple", "F9FX0002", "1"),
        ("only at Apple", "F9FX0003", "2"),
        ("only in the file", "F9FX0009", "0"),
    ]


def test_compare_counts(held):
    """A file of apps is compared count by count; thousands may be separated."""
    file = write(held, f'App Store ID,In Use,Total Licenses\n{KEYNOTE},3,"1,010"\n{PAGES},3,10\nAcme,1,1\n')
    found = rows(held.run("compare", "--file", file, "--format", "csv"))
    assert [(one["difference"], one["name"], one["counted"], one["at_apple"], one["in_file"]) for one in found] == [
        ("counts differ", KEYNOTE, "total", "10", "1010"),
        ("only in the file", "Acme", "assigned", "0", "1"),
        ("only in the file", "Acme", "total", "0", "1"),
    ]


def test_compare_apps(held):
    """A file of apps without counts says which apps only one of the two has."""
    table = held.run("compare", "--file", write(held, f"adam_id\n{PAGES}\n999\n"))
    assert [line.split()[:4] for line in table.out.splitlines()[1:]] == [
        ["only", "at", "Apple", KEYNOTE],
        ["only", "in", "the", "file"],
    ]
    assert (
        "Your file and Apple agree."
        in held.run("compare", "--file", write(held, f"id\n{PAGES}\n{KEYNOTE}\n"), "--map", "adam_id=id").err
    )


def test_a_count_that_is_none(held):
    """A cell that is no count is named, with its row and its column."""
    ended = held.run("compare", "--file", write(held, f"adam_id,In Use\n{KEYNOTE},many\n"))
    assert (ended.status, "row 2: 'many' is no count of assigned (column 'In Use')" in ended.err) == (2, True)


def test_nothing_to_compare(held):
    """A file with neither apps nor holders is refused."""
    assert "names neither apps" in held.run("compare", "--file", write(held, "In Use\n3\n")).err
