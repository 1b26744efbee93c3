"""What is taken out of the mirror: into files, through what is none, and of the feed from a bookmark on."""

import json
import os
import stat
import threading

import pytest


@pytest.fixture(scope="module")
def place(cluster):
    """A location that is in step."""
    place = cluster.add("assets")
    place.sync()
    return place


def export(place, output, *more):
    """Export the assets into a place."""
    return place.cluster.run("export", "assets", "--location", place.name, "--output", str(output), *more)


def test_the_ending_says_the_format(place, tmp_path):
    """A file that is called a table is one, and one for records holds an object a line; both are their owner's."""
    for name, head in (("a.csv", "adamId,"), ("a.ndjson", "{"), ("a", "{")):
        assert export(place, tmp_path / name).returncode == 0
        assert (tmp_path / name).read_text().startswith(head)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert export(place, "-").stdout == (tmp_path / "a").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.csv", "a.ndjson"]


def test_a_pipe_is_written_through(place, tmp_path):
    """A pipe stays one, and whoever reads from it gets all of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert export(place, pipe).returncode == 0
    reader.join(30)
    assert len(read[0].splitlines()) == 20
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_links_and_modes_stay(place, tmp_path):
    """A link stays one, what it points at is written, and keeps the mode that it had."""
    target, link = tmp_path / "target.ndjson", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert export(place, link).returncode == 0
    assert link.is_symlink()
    assert len(target.read_text().splitlines()) == 20
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize("where", ["/dev/full", "nowhere/a.csv"])
def test_what_cannot_be_written(place, tmp_path, where):
    """A place that takes nothing is a failure with its reason, and leaves nothing behind."""
    done = export(place, tmp_path / where)
    assert done.returncode == 1
    assert f"{tmp_path / where} cannot be written: No " in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_itself(place, tmp_path):
    """A link that leads nowhere is a failure with its reason."""
    (tmp_path / "loop").symlink_to("loop")
    done = export(place, tmp_path / "loop")
    assert done.returncode == 1
    assert f"{tmp_path / 'loop'} cannot be written: Too many" in done.stderr


def test_bookmarks(place):
    """A reader goes on from its bookmark; one of another feed, or from beyond this one, is refused with what to do."""
    run = place.cluster.run
    lines = [json.loads(line) for line in run("changes", "--location", place.name, "--json").stdout.splitlines()]
    assert {one["uid"] for one in lines} == {place.uid}
    middle, rest = lines[4]["bookmark"], lines[5:]
    after = run("changes", "--location", place.name, "--json", "--after", middle).stdout.splitlines()
    assert [json.loads(line) for line in after] == rest
    now = run("changes", "--bookmark").stdout.strip()
    name, _, last = now.partition(":")
    for wrong, words in (
        (f"{'0' * len(name)}:1", "another feed"),
        (f"{name}:{int(last) + 100_000}", "beyond the feed"),
        ("99999999", "beyond the feed"),
        ("soon", "neither a number nor a bookmark"),
    ):
        done = run("changes", "--after", wrong)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_what_was_removed_can_still_be_read(cluster):
    """A location that is no longer watched is exported, and its changes are shown, as before."""
    place = cluster.add("assets")
    place.sync()
    assert cluster.run("locations", "remove", place.name).returncode == 0
    assert len(export(place, "-").stdout.splitlines()) == 20
    assert len(cluster.run("changes", "--location", place.name).stdout.splitlines()) == 20


def test_what_was_removed_can_be_erased(cluster):
    """Erasing says how much goes and asks; what is watched is not erased, and what was is nowhere any more."""
    place = cluster.add("assets")
    place.sync()
    refused = cluster.run("locations", "purge", place.name, "--yes")
    assert (refused.returncode, "still watched" in refused.stderr) == (2, True)
    cluster.run("locations", "remove", place.name)
    asked = cluster.run("locations", "purge", place.name)
    assert (asked.returncode, "20 records, 20 changes and 0 notices" in asked.stderr) == (5, True)
    assert place.name in cluster.run("locations", "list", "--removed").stdout
    assert cluster.run("locations", "purge", place.name, "--yes").returncode == 0
    assert place.name not in cluster.run("locations", "list", "--removed").stdout
    gone = cluster.run("export", "assets", "--location", place.name)
    assert (gone.returncode, "no such location" in gone.stderr) == (2, True)
