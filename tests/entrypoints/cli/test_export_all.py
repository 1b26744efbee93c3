"""`pageturner export --all`: the whole mirror in a folder, of one moment; what did not change stays."""

import csv
import json

import pytest

from entrypoints.cli.exports import keeping
from entrypoints.exits import Exit
from tests.support.filled_store import FilledStore

ASSET = {"adamId": "7", "pricingParam": "STDQ", "totalCount": 1}


@pytest.fixture
def folder(tmp_path):
    """Where the export goes."""
    return tmp_path / "mirror"


@pytest.fixture
def both(terminal):
    """A terminal at a mirror of two locations."""
    terminal.publish("assets", ASSET, version="v1")
    terminal.publish("users", {"clientUserId": "u1", "status": "Registered"}, version="v1")
    other = terminal.store.add("=other", "2")
    publish(terminal.store, other, "assets", ASSET | {"adamId": "8"}, version="v1")
    return terminal


def publish(store: FilledStore, location, resource, *records, version):
    """Publish a full crawl of a location."""
    store.publish(store.read(store.stream(location, resource), list(records), version=version))


def records(folder, name):
    """Return the records of a file."""
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def manifest(folder):
    """Return what the manifest says."""
    return json.loads((folder / "manifest.json").read_text())


def times(folder):
    """Return when each file was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "manifest.json"}


def test_one_file_a_resource(both, folder):
    """Each file has a resource of all locations, each record with its location; the manifest says where to go on."""
    ended = both.run("export", "--all", str(folder))
    assert ended.status == Exit.IN_STEP
    assert {path.name for path in folder.iterdir()} == {"assets.ndjson", "users.ndjson", "manifest.json"}
    assert records(folder, "assets.ndjson") == [
        {"uId": "2", "location": "=other", **ASSET, "adamId": "8"},
        {"uId": "1", "location": "hq", **ASSET},
    ]
    bookmark = manifest(folder)["bookmark"]
    assert f"pageturner changes --after {bookmark}" in ended.err
    assert both.run("changes", "--after", bookmark).out == ""
    assert both.run("changes", "--bookmark").out.strip() == bookmark


def test_one_file_a_location(both, folder):
    """Each file has all of a location, each record with its resource."""
    both.run("export", "--all", str(folder), "--by", "location")
    assert [(one["resource"], one["location"]) for one in records(folder, "1.ndjson")] == [
        ("assets", "hq"),
        ("users", "hq"),
    ]
    assert [one["adamId"] for one in records(folder, "2.ndjson")] == ["8"]


def test_as_csv(both, folder):
    """A CSV has the columns of its resource; what a spreadsheet would run is a text there."""
    both.run("export", "--all", str(folder), "--format", "csv", "--for-spreadsheets")
    with (folder / "assets.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(one["uId"], one["location"], one["adamId"], one["totalCount"]) for one in rows] == [
        ("2", "'=other", "8", "1"),
        ("1", "hq", "7", "1"),
    ]


def test_what_did_not_change_stays(both, folder):
    """A second export writes only the files of which something changed, and is of one moment all the same."""
    both.run("export", "--all", str(folder))
    before = times(folder)
    assert "(2 of them unchanged)" in both.run("export", "--all", str(folder)).err
    assert times(folder) == before
    both.publish("users", {"clientUserId": "u2", "status": "Registered"}, version="v2")
    ended = both.run("export", "--all", str(folder))
    assert "(1 of them unchanged)" in ended.err
    assert times(folder)["assets.ndjson"] == before["assets.ndjson"]
    assert [one["clientUserId"] for one in records(folder, "users.ndjson")] == ["u2"]
    assert manifest(folder)["bookmark"] == both.run("changes", "--bookmark").out.strip()


def test_an_interrupted_export_goes_on(both, folder, monkeypatch):
    """What an interrupted export wrote stays if nothing of it changed, and is written anew if something did."""
    write, names = __import__("entrypoints.cli.exports", fromlist=["_write_file"])._write_file, []

    def stop_at_users(snapshot, plan, name, streams):
        names.append(name)
        if len(names) == 2:
            raise KeyboardInterrupt
        return write(snapshot, plan, name, streams)

    monkeypatch.setattr("entrypoints.cli.exports._write_file", stop_at_users)
    assert both.run("export", "--all", str(folder)).status == 130
    assert manifest(folder)["bookmark"] is None
    assert list(times(folder)) == ["assets.ndjson"]
    both.publish("assets", ASSET | {"totalCount": 2}, version="v2")
    both.run("export", "--all", str(folder))
    assert names == ["assets.ndjson", "users.ndjson", "assets.ndjson", "users.ndjson"]
    assert [one["totalCount"] for one in records(folder, "assets.ndjson")] == [1, 2]
    monkeypatch.setattr("entrypoints.cli.exports._write_file", write)
    assert "(2 of them unchanged)" in both.run("export", "--all", str(folder)).err


@pytest.mark.parametrize("damage", ["file", "manifest", "bytes", "feed", "missing"])
def test_what_cannot_be_trusted_is_written_anew(both, folder, damage):
    """A file that was changed or is gone, a manifest that cannot be read, and another feed are no reason to keep."""
    both.run("export", "--all", str(folder))
    if damage == "file":
        (folder / "assets.ndjson").write_text("{}\n")
    elif damage == "missing":
        (folder / "assets.ndjson").unlink()
    elif damage == "manifest":
        (folder / "manifest.json").write_text("{")
    elif damage == "bytes":
        (folder / "manifest.json").write_bytes(b'{"feed": "\xff"}')
    else:
        both.run("restored")
    ended = both.run("export", "--all", str(folder))
    assert f"{folder / 'assets.ndjson'}: 2 records" in ended.err
    assert len(records(folder, "assets.ndjson")) == 2


def test_what_is_no_longer_watched_goes(both, folder):
    """The records of a removed location are in no file of a later export, and files that it had alone go."""
    both.run("export", "--all", str(folder), "--by", "location")
    (folder / "notes.txt").touch()
    both.run("locations", "remove", "=other")
    both.run("export", "--all", str(folder), "--by", "location")
    assert {path.name for path in folder.iterdir()} == {"1.ndjson", "manifest.json", "notes.txt"}


def test_what_stays_is_of_the_new_moment(both, folder):
    """A file that stays counts as written now: what is pruned later of what was before does not make it stale."""
    both.run("export", "--all", str(folder))
    both.publish("users", {"clientUserId": "u2", "status": "Registered"}, version="v2")
    both.run("export", "--all", str(folder))
    files = manifest(folder)["files"]
    assert len({one["seq"] for one in files.values()}) == 1


def test_two_exports_at_once(both, folder):
    """Of two exports into one folder the second is refused, with why."""
    with keeping(folder):
        ended = both.run("export", "--all", str(folder))
    assert (ended.status, "Another export writes into" in ended.err) == (Exit.AWAY, True)
    assert both.run("export", "--all", str(folder)).status == Exit.IN_STEP


def test_a_manifest_names_no_other_folder(both, folder, tmp_path):
    """A manifest from elsewhere cannot have files deleted that are outside of its folder."""
    (tmp_path / "precious").write_text("x")
    both.run("export", "--all", str(folder))
    made = manifest(folder)
    made["files"]["../precious"] = made["files"]["assets.ndjson"] | {"size": 1}
    (folder / "manifest.json").write_text(json.dumps(made))
    both.run("export", "--all", str(folder))
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export",), "Say which resource, or --all DIR"),
        (("export", "assets", "--all", "x"), "it takes no resource"),
        (("export", "--all", "/dev/null"), "/dev/null cannot be made"),
    ],
)
def test_a_mistake_is_named(terminal, arguments, words):
    """What does not go together, and a folder that is none, are named."""
    ended = terminal.run(*arguments)
    assert (ended.status, words in ended.err) == (Exit.USAGE, True), ended.err
