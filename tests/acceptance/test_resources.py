"""Every resource that Apple lists: in full, by what changed, and what is gone."""

import json

import pytest
import sqlalchemy as sa

from apple.resources import RESOURCES, USUAL
from storage.schema import crawls, locations, streams

LEGACY = ("licenses", "legacy-users")
CHAINED = ("subscriptions", "subscription-assignments", "subscription-admins")


def assert_exact(place, resources):
    """The mirror is what Apple has, record by record."""
    for resource in resources:
        assert place.mirror(resource) == place.truth(resource), resource


def kinds(report, resource):
    """Name how a resource was read, crawl by crawl."""
    return [(one["kind"], one["state"]) for one in report if one["resource"] == resource]


def test_all_resources_at_once(cluster):
    """All streams of a location arrive together, with five requests in flight over all of them, one along cursors."""
    place = cluster.add(*RESOURCES)
    place.sync()
    assert_exact(place, RESOURCES)
    traffic = place.traffic()
    assert (traffic["most_in_flight"], traffic["most_chained"], traffic["refused"]) == (5, 1, 0)


def test_unchanged_costs_one_request_a_stream(cluster):
    """A sync that finds nothing changed asks one thing of each stream."""
    place = cluster.add(*USUAL)
    place.sync()
    cluster.apple.forget_traffic(place.uid)
    assert {one["state"] for one in place.sync()} == {"unchanged"}
    assert place.traffic()["by_resource"] == dict.fromkeys(USUAL, 1)


def test_a_delta_costs_what_changed(cluster):
    """Of forty pages of assignments of which one in a hundred changed, one page is asked for."""
    place = cluster.add("assignments")
    place.sync()
    place.change(resource="assignments", insert=20, where="random")
    cluster.apple.forget_traffic(place.uid)
    assert kinds(place.sync(), "assignments") == [("delta", "published")]
    assert place.traffic()["by_page"] == {"assignments/since/0": 1}
    assert_exact(place, ["assignments"])


def test_a_long_delta(cluster):
    """A delta of many pages is read side by side, each page with the version that it goes on from."""
    place = cluster.add("assignments")
    place.sync()
    place.change(resource="assignments", insert=400, where="random")
    cluster.apple.forget_traffic(place.uid)
    place.sync()
    assert place.traffic()["by_page"] == {f"assignments/since/{index}": 1 for index in range(8)}
    assert_exact(place, ["assignments"])


def test_a_removal_arrives_with_the_next_sync(cluster):
    """A delta shows no removal: the counts do, and only the assets that disagree are read."""
    place = cluster.add("assets", "assignments")
    place.sync()
    place.change(resource="assignments", remove=2, where="random")
    report = place.sync()
    assert kinds(report, "assignments") == [("delta", "unchanged"), ("spot", "published")]
    assert report[-1]["deleted"] == 2
    assert_exact(place, ["assets", "assignments"])


def test_a_spot_that_fails_is_made_again(cluster):
    """A removal that could not be looked into is looked into by the next sync, though nothing has changed since."""
    place = cluster.add("assets", "assignments")
    place.sync()
    place.change(resource="assignments", remove=1, where="random")
    place.fail({"resource": "assignments", "of_asset": True, "kind": "error", "number": 9602})
    assert cluster.run("sync", place.name).returncode == 3
    place.sync()  # or the sync that the scheduler's queue begins by itself: whichever is first
    with cluster.database() as database, database.once() as connection:
        spots = sa.select(crawls.c.state).where((crawls.c.kind == "spot") & (crawls.c.stream_id == streams.c.id))
        mine = (streams.c.location_id == locations.c.id) & (locations.c.uid == place.uid)
        states = list(connection.scalars(spots.where(mine).order_by(crawls.c.id)))
    assert states == ["failed", "published"]
    assert_exact(place, ["assets", "assignments"])


def test_many_removals_are_read_in_full(cluster):
    """Where so many assets disagree that reading each costs more than reading everything, everything is read."""
    place = cluster.add("assets", "assignments")
    place.sync()
    place.change(resource="assignments", remove=200, where="random")
    assert kinds(place.sync(), "assignments") == [("delta", "unchanged"), ("full", "published")]
    assert_exact(place, ["assets", "assignments"])


def test_counts_that_never_agree(cluster):
    """Counts that do not agree are looked into once, then ever less often, and told."""
    place = cluster.add("assets", "assignments")
    cluster.apple.switch(counts="wrong")
    try:
        place.sync()
        reports = []
        for _ in range(3):
            place.change(resource="assignments", insert=1)
            reports += place.sync()
    finally:
        cluster.apple.switch(counts="exact")
    looks = [one for one in reports if one["resource"] == "assignments" and one["kind"] != "delta"]
    assert looks == []  # all of them were looked into by the first sync, and are off by the same number
    told = place.status()["disagreements"]
    assert told
    assert told[0]["counted"] == told[0]["listed"] + 1
    assert "Apple counts" in cluster.run("status").stderr


def test_a_retired_user(cluster):
    """A delta that shows a retired user has all users read in the same sync: nothing else can count them."""
    place = cluster.add("users")
    place.sync()
    place.change(resource="users", retire=3)
    assert kinds(place.sync(), "users") == [("delta", "published"), ("full", "published")]
    assert_exact(place, ["users"])


def test_a_torn_reading_catches_up(cluster):
    """What a torn reading may have missed is asked for right after it, by what changed since it began."""
    place = cluster.add("assignments")
    place.fail({"resource": "assignments", "page": 30, "kind": "lost", "times": 99})
    report = place.sync()
    assert kinds(report, "assignments") == [("full", "published"), ("delta", "unchanged")]
    assert place.stream("assignments")["state"] == "torn"
    place.fail()
    assert kinds(place.sync(), "assignments") == [("full", "published")]
    assert place.stream("assignments")["state"] == "in step"
    assert_exact(place, ["assignments"])


def test_a_version_that_expired(cluster):
    """A version that Apple no longer knows has everything read, in the same crawl."""
    place = cluster.add("assignments", "users")
    place.sync()
    cluster.apple.expire("versions", uid=place.uid)
    place.change(resource="assignments", insert=5, remove=5, where="random")
    assert kinds(place.sync(), "assignments") == [("full", "published")]
    assert_exact(place, ["assignments", "users"])


@pytest.mark.parametrize("first_batch", ["inside", "outside"])
def test_batches(cluster, first_batch):
    """Batches are fetched side by side, the last of them first, and the token is in the body alone."""
    cluster.apple.switch(first_batch=first_batch)
    try:
        place = cluster.add(*LEGACY)
        place.sync()
    finally:
        cluster.apple.switch(first_batch="inside")
    assert_exact(place, LEGACY)
    traffic = place.traffic()
    assert (traffic["leaks"], traffic["refused"]) == (0, 0)
    order = [page for page in traffic["by_page"] if page.startswith("licenses")]
    last = 6 if first_batch == "inside" else 5
    assert order[:2] == ["licenses/0", f"licenses/{last}"]
    assert {page: count for page, count in traffic["by_page"].items() if count > 1} == {
        "licenses/0": 3,
        "legacy-users/0": 3,
        f"licenses/{last}": 2,
        f"legacy-users/{last - 3}": 2,
    }
    cluster.apple.forget_traffic(place.uid)
    place.sync("--full")
    assert_exact(place, LEGACY)


def test_batches_by_what_changed(cluster):
    """What changed since the token of the last batch is one request, and what is gone comes with a full reading."""
    place = cluster.add(*LEGACY)
    place.sync()
    place.change(resource="licenses", update=10, insert=3)
    place.change(resource="legacy-users", retire=2, insert=70)
    cluster.apple.forget_traffic(place.uid)
    report = place.sync()
    assert {one["kind"] for one in report} == {"delta"}
    assert place.traffic()["by_resource"]["licenses"] == 1
    assert_exact(place, LEGACY)
    place.change(resource="licenses", remove=4, where="random")
    place.sync("--full")
    assert_exact(place, LEGACY)


@pytest.mark.parametrize("first_batch", ["inside", "outside"])
@pytest.mark.parametrize("change", [{"remove": 1}, {"update": 90}, {"insert": 3, "remove": 3}], ids=str)
def test_the_first_batch_moves(cluster, first_batch, change):
    """What changes right after the first answer is not taken for unchanged, in full or by what changed."""
    place = cluster.add("licenses")
    cluster.apple.switch(first_batch=first_batch)
    try:
        place.sync()
        for options in (["--full"], []):
            place.change(resource="licenses", update=120)
            asked = place.traffic()["by_resource"]["licenses"]
            place.change(resource="licenses", at_request=asked + 2, where="front", **change)
            place.sync(*options)
            living = place.truth("licenses")
            gone = {change.key["licenseIdStr"] for change in place.changes("licenses") if change.op == "delete"}
            assert not [record for record in living if json.loads(record)["licenseIdStr"] in gone]
            place.sync()
            assert not living - place.mirror("licenses")
        place.sync("--full")
    finally:
        cluster.apple.switch(first_batch="inside")
    assert_exact(place, ["licenses"])


@pytest.mark.parametrize("at", [3, 6, 7])
def test_batches_that_move(cluster, at):
    """Whatever changes while batches are read is caught up with, and nothing that exists is deleted."""
    place = cluster.add("licenses")
    place.sync()
    asked = place.traffic()["by_resource"]["licenses"]
    place.change(resource="licenses", at_request=asked + at, insert=60, remove=20, update=5, where="front")
    place.sync("--full")
    place.sync("--full")
    assert_exact(place, ["licenses"])
    living = place.truth("licenses")
    deleted = [change for change in place.changes("licenses") if change.op == "delete"]
    assert not [change for change in deleted if json.dumps(change.before, sort_keys=True) in living]


@pytest.mark.parametrize(
    "fault",
    [{"page": 3, "number": 9633, "kind": "error", "status": 200}, {"page": 6, "kind": "no-token", "times": 2}],
    ids=["a dead batch token", "a last batch without its token"],
)
def test_batches_in_trouble(cluster, fault):
    """A dead token begins again, and a last batch that lacks its token is asked for again."""
    place = cluster.add("licenses")
    place.fail({"resource": "licenses", **fault})
    place.sync()
    assert_exact(place, ["licenses"])
    assert place.stream("licenses")["version"]


def test_cursors(cluster):
    """Cursor streams are walked one after the other, step by step, after the streams that are read side by side."""
    place = cluster.add("assets", *CHAINED)
    place.sync()
    assert_exact(place, CHAINED)
    traffic = place.traffic()
    assert traffic["most_chained"] == 1
    assert set(traffic["by_page"].values()) == {1}


@pytest.mark.parametrize("times", [1, 99], ids=["once", "for ever"])
def test_a_cursor_that_expired(cluster, times):
    """A cursor that Apple no longer knows begins the chain again, and not for ever."""
    place = cluster.add("subscription-assignments")
    place.fail({"resource": "subscription-assignments", "page": 2, "kind": "error", "number": 9812, "times": times})
    done = cluster.run("sync", place.name)
    assert done.returncode == (0 if times == 1 else 4), done.stderr
    place.fail()
    place.sync()
    assert_exact(place, ["subscription-assignments"])
    assert place.traffic()["by_resource"]["subscription-assignments"] < 40


def test_a_chain_that_moves(cluster):
    """A version that moves begins the chain again; one that never rests is torn, and deletes nothing."""
    place = cluster.add("subscription-assignments")
    place.sync()
    asked = place.traffic()["by_resource"]["subscription-assignments"]
    place.change(resource="subscription-assignments", at_request=asked + 3, remove=2, insert=1, where="front")
    report = place.sync("--full")
    assert [(one["state"], one["consistent"], one["drift"]) for one in report] == [("published", True, 1)]
    assert_exact(place, ["subscription-assignments"])
    asked = place.traffic()["by_resource"]["subscription-assignments"]
    for step in range(1, 30):
        place.change(resource="subscription-assignments", at_request=asked + step, remove=1, where="front")
    report = place.sync("--full")
    assert (report[0]["consistent"], report[0]["deleted"]) == (False, 0)
    cluster.apple.rest(place.uid)
    place.sync()
    assert_exact(place, ["subscription-assignments"])


def test_what_is_no_longer_watched_is_kept(cluster):
    """Taking a resource out of the configuration deletes nothing, and putting it back goes on from there."""
    place = cluster.add("assets", "users")
    place.sync()
    before = place.mirror("users")
    assert cluster.run("locations", "watch", place.name, "assets").returncode == 0
    assert [one["resource"] for one in place.sync()] == ["assets"]
    assert place.mirror("users") == before
    assert cluster.run("locations", "watch", place.name, "assets,users").returncode == 0
    place.change(resource="users", insert=2)
    assert kinds(place.sync(), "users") == [("delta", "published")]
    assert_exact(place, ["users"])


def test_accepted_deletes(cluster):
    """Deletes that are held are let through by a person, with the next sync."""
    place = cluster.add("users")
    place.sync()
    place.change(resource="users", remove=150, where="random")
    assert cluster.run("sync", place.name, "--full").returncode == 5
    place.change(resource="users", remove=3, where="random")  # other deletes than those that were seen
    done = cluster.run("accept", place.name)
    assert done.returncode == 0, done.stderr
    assert "deletes are accepted" in done.stderr
    place.sync()
    assert_exact(place, ["users"])
    assert cluster.run("accept", place.name).returncode == 2
