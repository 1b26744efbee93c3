"""From a file to what is to be done: all of it, and nothing that nobody asked for."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apple.tokens import Token
from orchestration.decisions.plan import KINDS, DeclaredLocation, KeptLocation, NameTaken, left_out, plan
from storage.ledger.streams import Stream
from storage.locations import Location

USUAL = dict.fromkeys(KINDS)


def token(text: str = "one") -> Token:
    """Make a token."""
    return Token(text=text, expires=datetime(2030, 1, 1, tzinfo=UTC), organisation="")


def declared(uid: str = "1", text: str = "one", **every) -> DeclaredLocation:
    """Declare a location."""
    every = every or {"assets": USUAL, "users": USUAL}
    return DeclaredLocation(uid=uid, name=f"name-{uid}", token=token(text), owner=None, every=every)


def kept(uid: str = "1", name: str = "", text: str = "one", **seconds) -> KeptLocation:
    """Keep a location with assets and users."""
    bare = dict.fromkeys(Stream.__dataclass_fields__)
    streams = [Stream(**bare | {"resource": name} | seconds) for name in ("assets", "users")]
    location = Location(**dict.fromkeys(Location.__dataclass_fields__) | {"uid": uid, "name": name or f"name-{uid}"})
    return KeptLocation(location=location, token=text, streams=streams)


def verbs(*arguments, prune: bool = False) -> list[str]:
    """Plan, and return what is to be done."""
    return [step.verb for step in plan(*arguments, prune=prune)]


def test_nothing_is_to_be_done():
    """What is as the file says needs nothing."""
    assert verbs([declared()], [kept()]) == []


def test_each_difference_is_a_step():
    """A new location, a name, a token, a resource and an interval are each a step of their own."""
    assert verbs([declared()], []) == ["add"]
    assert verbs([declared(assets=USUAL | {"delta": 60})], []) == ["add", "time"]
    assert verbs([declared()], [kept(name="old")]) == ["rename"]
    assert verbs([declared(text="two")], [kept()]) == ["rotate"]
    assert verbs([declared(assets=USUAL)], [kept()]) == ["watch"]
    assert verbs([declared(assets=USUAL | {"delta": 60}, users=USUAL)], [kept()]) == ["time"]
    assert verbs([declared()], [kept(delta_seconds=60)]) == ["time", "time"]


def test_nothing_is_taken_out_unasked():
    """What the file does not declare is left, unless it is to be pruned."""
    both = [kept(), kept("2")]
    assert verbs([declared()], both) == []
    assert [one.uid for one in left_out([declared()], both)] == ["2"]
    assert verbs([declared()], both, prune=True) == ["remove"]


def test_no_step_shows_a_token():
    """A plan may be shown to anybody."""
    steps = plan([declared(text="c2VjcmV0")], [kept(text="b2xk")], prune=True)
    assert "c2VjcmV0" not in repr(steps)
    assert "b2xk" not in repr(kept(text="b2xk"))


def test_a_name_that_another_location_has():
    """A file cannot give a location the name of one that it leaves alone; with `--prune` that one goes first."""
    one = replace(declared("1"), name="name-2")
    with pytest.raises(NameTaken, match="'name-2' would be that of 2 and of 1"):
        plan([one], [kept("2")], prune=False)
    assert verbs([one], [kept("2")], prune=True) == ["remove", "add"]
