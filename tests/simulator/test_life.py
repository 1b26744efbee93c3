"""Daily life: the data change by themselves, and stay such as Apple's are."""

import json

from simulator.catalogue import Size
from simulator.life import _EVENTS, DailyLife
from simulator.switches import Switches
from simulator.world import make_world


def lived(steps, *, count=2):
    """Return a world in which so many things happened, and at which locations."""
    world = make_world(count, Size(assets=8, assignments=30, users=6, subscriptions=3), 1, Switches())
    life = DailyLife(world, 1.0, 1)
    return world, [life.step().organisation.uid for _ in range(steps)]


def test_everything_happens_everywhere():
    """Every list of every location changes before long, and each change has a version of its own."""
    world, places = lived(300)
    assert set(places) == set(world.locations)
    for one in world.locations.values():
        moves = {name: listing.move for name, listing in one.organisation.listings.items()}
        assert all(moves[name] > 0 for name in ("assets", "assignments", "users", "subscription-assignments"))


def test_counts_add_up():
    """However long it goes on, what is owned is what is assigned, left and retired, and the lists agree with it."""
    world, _ = lived(400, count=1)
    [location] = world.locations.values()
    given: dict[tuple[str, str], int] = {}
    for entry in location.organisation.listings["assignments"].entries:
        record = json.loads(entry.record)
        key = record["adamId"], record["pricingParam"]
        given[key] = given.get(key, 0) + 1
    for entry in location.organisation.listings["assets"].entries:
        asset = json.loads(entry.record)
        key = asset["adamId"], asset["pricingParam"]
        assert asset["assignedCount"] == given.get(key, 0)
        assert asset["totalCount"] == asset["assignedCount"] + asset["availableCount"] + asset["retiredCount"]
        assert asset["availableCount"] >= 0


def test_the_same_seed_is_the_same_life():
    """A life can be played again."""
    assert lived(20)[1] == lived(20)[1]
    assert len(_EVENTS) > 5


def test_an_empty_organisation_lives_on():
    """Where there are no apps, no users and no licences, the other things happen."""
    world = make_world(1, Size(assets=0, assignments=0, users=0, subscriptions=0), 1, Switches())
    life = DailyLife(world, 1.0, 1)
    for _ in range(200):
        life.step()
    [location] = world.locations.values()
    assert location.organisation.listings["assignments"].entries == []
    assert location.organisation.listings["users"].entries != []
