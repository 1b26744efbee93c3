"""Whole crawls: real workers, a real Redis and PostgreSQL, and an Apple whose data do not rest."""

import random

import pytest

from tests.support.cluster import canonical

RESOURCES = ("assets", "assignments", "users")


def assert_in_step(place):
    """The mirror is what Apple has, record by record, and Apple never saw a sixth request."""
    for resource in RESOURCES:
        assert place.mirror(resource) == place.truth(resource), resource
    traffic = place.traffic()
    assert traffic["most_in_flight"] <= 5
    assert traffic["refused"] == 0


def test_everything_arrives(cluster):
    """A first sync brings every record, with five requests in flight and each page asked for once."""
    place = cluster.add()
    report = place.sync()
    assert {one["state"] for one in report} == {"published"}
    assert all(one["consistent"] for one in report)
    assert_in_step(place)
    traffic = place.traffic()
    assert traffic["most_in_flight"] == 5
    assert max(traffic["by_page"].values()) == 1


def test_unchanged_costs_one_request_a_stream(cluster):
    """A sync that finds everything unchanged asks for one page of each."""
    place = cluster.add()
    place.sync()
    cluster.apple.forget_traffic(place.uid)
    assert {one["state"] for one in place.sync()} == {"unchanged"}
    assert place.traffic()["by_resource"] == {"assets": 1, "assignments": 1, "users": 1}


def test_changes_between_syncs(cluster):
    """Inserts, updates and removals arrive with the next sync, and stand in the feed."""
    place = cluster.add()
    place.sync()
    before = place.mirror("assignments")
    place.change(resource="assignments", insert=7, remove=5, where="random")
    place.sync()
    assert_in_step(place)
    after = place.mirror("assignments")
    ops = [change.op for change in place.changes("assignments")][2000:]
    assert ops.count("insert") == (after - before).total()
    assert ops.count("delete") == (before - after).total()


@pytest.mark.parametrize("seed", range(4))
def test_data_that_do_not_rest(cluster, seed):
    """Whatever changes while it is read, nothing that exists is deleted, and a quiet second sync is exact."""
    place = cluster.add()
    place.sync()
    dice = random.Random(seed)
    start = place.traffic()["by_resource"]
    for resource, last in (("assignments", 40), ("users", 4)):
        for _ in range(3):
            change = {"insert": dice.randrange(90), "remove": dice.randrange(25), "shuffle": dice.random() < 0.3}
            at = start[resource] + dice.randrange(1, last)
            where = dice.choice(["front", "end", "random"])
            place.change(resource=resource, at_request=at, where=where, **change)
    place.sync("--full")
    # Nothing that Apple ever removed comes back in this simulator: what was deleted here must not exist there.
    living = {record for resource in RESOURCES for record in place.truth(resource)}
    deleted = [change for resource in RESOURCES for change in place.changes(resource) if change.op == "delete"]
    assert not [change for change in deleted if canonical(change.before) in living]
    place.sync()
    place.sync()
    assert_in_step(place)


@pytest.mark.parametrize("beyond_end", ["9650", "empty"])
def test_a_set_that_shrinks(cluster, beyond_end):
    """Pages that are no more when their turn comes are no error, whichever way Apple says so."""
    place = cluster.add()
    cluster.apple.switch(beyond_end=beyond_end)
    place.change(resource="assignments", at_request=10, remove=700, where="end")
    place.sync()
    place.sync()
    cluster.apple.switch(beyond_end="9650")
    assert_in_step(place)


@pytest.mark.parametrize("fault", [{"kind": "lost"}, {"kind": "error", "number": 9650, "status": 400}])
def test_a_lost_page_deletes_nothing(cluster, fault):
    """A page below the total that comes without its list, or as 9650, is torn: its records stay."""
    place = cluster.add()
    place.sync()
    place.fail({"resource": "assignments", "page": 7, "times": 99, **fault})
    reports = [one for one in place.sync("--full") if one["resource"] == "assignments"]
    assert [(one["kind"], one["consistent"], one["deleted"]) for one in reports[:1]] == [("full", False, 0)]
    assert_in_step(place)
    place.fail()
    place.sync()
    assert_in_step(place)


def test_passing_trouble(cluster):
    """Answers that go wrong for a while are asked for again, and the crawl is exact."""
    place = cluster.add()
    kinds: list[dict[str, object]] = [
        {"kind": "status", "status": 500},
        {"kind": "html", "status": 200},
        {"kind": "html", "status": 502},
        {"kind": "truncated"},
        {"kind": "shape"},
        {"kind": "error", "status": 200, "number": 9603},
        {"kind": "garbage-after-gzip"},
        {"kind": "status", "status": 503, "headers": {"Retry-After": "1"}},
        {"kind": "error", "status": 429, "number": 9646},
    ]
    place.fail(*({"resource": "assignments", "page": number + 2, **kind} for number, kind in enumerate(kinds)))
    place.sync()
    assert_in_step(place)


def test_mass_deletes_are_held(cluster):
    """Deletes that would take most of a stream wait for a second full crawl that shows the same."""
    place = cluster.add()
    place.sync()
    place.change(resource="users", remove=150, where="random")
    done = cluster.run("sync", place.name, "--full")
    assert done.returncode == 5, done.stderr
    assert place.mirror("users").total() == 200
    assert "deletes are held" in str(place.status())
    place.sync()
    assert_in_step(place)


def test_two_locations_keep_five_each(cluster):
    """Two crawls of two locations at once have five requests in flight each, and never a sixth."""
    places = [cluster.add(), cluster.add()]
    with cluster.apple.slowed(0.5):
        done = cluster.run("sync", *(place.name for place in places))
    assert done.returncode == 0, done.stderr
    for place in places:
        assert_in_step(place)
        assert place.traffic()["most_in_flight"] == 5


def test_no_token_anywhere(cluster):
    """Neither Redis nor the logs nor any output ever holds a token."""
    place = cluster.add("assignments", "subscriptions", "licenses")
    location = next(one for one in cluster.apple.locations if one["uid"] == place.uid)
    place.change(resource="assignments", at_request=30, insert=3)
    running = cluster.start("sync", place.name)
    seen = b""
    with cluster.redis() as redis:
        while running.poll() is None:
            for key in redis.scan_iter():
                try:
                    seen += redis.dump(key) or b""
                except Exception:  # noqa: BLE001 - it went while we looked
                    continue
    out, err = running.communicate()
    everything = seen + (out + err + cluster.log()).encode()
    assert b"pageturner.page" in everything
    assert location["token"].encode() not in everything
    assert location["token"][20:60].encode() not in everything
    assert b"simulated-" + place.uid.encode() not in everything
