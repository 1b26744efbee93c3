"""A long random life: whatever Apple does where nobody knows what it does, the mirror and its feed stay exact."""

import json
import random

import pytest

from apple.records import apple_names
from apple.resources import RESOURCES
from simulator.switches import CHOICES, Switches
from tests.support.cluster import canonical, running_cluster
from tests.support.replay import replay

SIZE: tuple[str, ...] = ("--assets", "12", "--assignments", "260", "--users", "90", "--page-size", "20")
SIZE += (
    "--subscriptions",
    "50",
    "--subscription-assignments",
    "70",
    "--subscription-admins",
    "30",
    "--licenses",
    "150",
    "--legacy-users",
    "70",
)

#: What is not known of Apple, each choice in one of these worlds at least.
WORLDS: dict[str, dict[str, str]] = {
    "as documented": {},
    "empty beyond the end, the first batch apart": {
        "beyond_end": "empty",
        "first_batch": "outside",
        "metadata": "slow",
    },
    "numbers as texts": {"totals": "string", "nobody": "null", "batch_tokens": "first", "metadata": "away"},
    "no totals": {"totals": "absent", "optional": "missing", "first_batch": "outside", "metadata": "busy"},
    "empty pages, errors in 200": {"empty_pages": "some", "errors": "200", "urls": "moved"},
    "removals listed": {
        "removals": "listed",
        "unknown": "present",
        "urls": "elsewhere",
        "legacy": "moved",
        "artwork": "list",
    },
    "counts that never agree": {"counts": "wrong", "order": "within", "urls": "none", "metadata": "html"},
    "nothing is no page": {"nothing": "no page", "artwork": "cropped"},
    "no counts": {"counts": "absent", "retirements": "hidden", "unlimited": "apart", "metadata": "elsewhere"},
    "another order with each change": {"order": "versions", "empty_pages": "some", "metadata": "empty"},
    "another order with each answer": {"order": "wild", "metadata": "refuses"},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A location with all that Apple lists, which lives through all of these tests."""
    with running_cluster(tmp_path_factory.mktemp("life"), size=SIZE, latency=3, processes=2) as cluster:
        yield cluster.add(*RESOURCES)


def live(place, dice, changes):
    """Let so many things happen, some at once and some while the next sync reads."""
    asked = place.traffic()["by_resource"]
    for _ in range(changes):
        resource = dice.choice(list(RESOURCES))
        what = dice.choice([{"insert": dice.randrange(1, 25)}, {"remove": dice.randrange(1, 8)}, {"update": 5}])
        if resource in {"users", "legacy-users"} and dice.random() < 0.3:
            what = {"retire": dice.randrange(1, 4)}
        if resource == "assets" and "remove" in what:
            what["remove"] = 1  # with all that is assigned of it
        if dice.random() < 0.4:
            what["at_request"] = asked.get(resource, 0) + dice.randrange(1, 9)
        place.change(resource=resource, where=dice.choice(["front", "end", "random"]), **what)


def assert_exact(place, resources=tuple(RESOURCES)):
    """The mirror is the truth, and the feed is the mirror."""
    for resource in resources:
        mirror = place.mirror(resource)
        assert mirror == place.truth(resource), resource
        assert replay(place.changes(resource)) == mirror, resource


def test_every_choice_is_lived():
    """No choice of any switch is left out, but for notices that nobody here asked for, and a service out of reach."""
    choices = {name: values for name, values in CHOICES.items() if name != "notices"}
    choices["legacy"] = ("usual", "moved")
    lived = {(name, value) for world in WORLDS.values() for name, value in world.items()}
    usual = {(name, getattr(Switches, name)) for name in choices}
    assert {(name, value) for name, values in choices.items() for value in values} == lived | usual


@pytest.mark.parametrize("world", WORLDS)
def test_a_life(place, world):
    """After a quiet full sync the mirror equals the truth, and the feed tells each change once."""
    apple, switches = place.cluster.apple, WORLDS[world]
    apple.switch(**{name: getattr(Switches, name) for name in CHOICES} | switches)
    dice = random.Random(world)
    for _ in range(2):
        live(place, dice, 15)
        assert place.cluster.run("sync", place.name).returncode in {0, 5}
    apple.rest(place.uid)
    quiet = place.cluster.run("sync", place.name)
    assert_nothing_was_removed_falsely(place)
    apple.switch(order=switches.get("order", "stable").replace("wild", "stable"))
    if quiet.returncode == 0 and not {"counts", "removals", "order"} & set(switches):  # 5: deletes are held
        assert_exact(place, ("assets", "assignments"))
    done = place.cluster.run("sync", place.name, "--full")
    if done.returncode:  # what is held wants to be seen twice
        done = place.cluster.run("sync", place.name, "--full")
    assert done.returncode == 0, done.stderr
    assert_exact(place)
    traffic = place.traffic()
    assert (traffic["most_chained"], traffic["refused"], traffic["leaks"]) == (1, 0, 0)
    assert traffic["most_in_flight"] <= 5


def assert_nothing_was_removed_falsely(place):
    """What was deleted here and is not here now does not exist there."""
    for resource, described in RESOURCES.items():
        names = apple_names(described.record)
        key = [names[name] for name in described.key] or list(names.values())
        here, there = (keys(records, key) for records in (place.mirror(resource), place.truth(resource)))
        deleted = (change.before for change in place.changes(resource) if change.op == "delete")
        assert not keys(map(canonical, deleted), key) & (there - here), resource


def keys(records, names):
    """Return the keys of some records."""
    return {tuple(json.loads(record).get(name) for name in names) for record in records}
