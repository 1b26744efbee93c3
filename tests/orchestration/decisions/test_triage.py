"""Who has to do something: a person, or nobody."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestration.decisions.health import Alarm
from orchestration.decisions.triage import Remedy, mends_itself, triage
from storage.states import LocationState
from tests.support.examples import HOUR, NOW, make_stream

from .test_overview import CLOSING, FRESH, NOTHING, overview, seen


def sorted_out(*locations, since=None, **more):
    """Sort an overview."""
    return triage(overview(*locations, **more), since or {})


def test_all_in_step():
    """What has nothing to say is counted, and what was not read yet is counted apart."""
    new = seen(make_stream(seen_at=None), name="lab", uid="2")
    found = sorted_out(seen(FRESH), new)
    assert (found.in_step, found.new) == (1, 1)
    assert not found.needs_you
    assert not found.late


def test_a_refused_token_needs_a_person():
    """It is told once for the location, and since when; its lists are not told besides."""
    late = make_stream(seen_at=NOW - 9 * HOUR, problem="It was revoked.", error="TokenRevoked")
    found = sorted_out(seen(late, state=LocationState.REVOKED), since={"1": NOW - HOUR})
    [matter] = found.needs_you
    assert (matter.alarm, matter.since, matter.remedy) == (Alarm.CRITICAL, NOW - HOUR, Remedy.NONE)
    assert not found.late
    assert found.in_step == 0


def test_another_owner_can_be_accepted():
    """Of a location that another service manages, the console can accept that."""
    [matter] = sorted_out(seen(FRESH, state=LocationState.FOREIGN)).needs_you
    assert matter.remedy is Remedy.ACCEPT


def test_a_token_that_ends_soon_needs_a_person():
    """But what is mirrored with it is in step."""
    [matter] = sorted_out(seen(FRESH, token_expires=NOW + timedelta(days=3))).needs_you
    assert matter.alarm is Alarm.WARNING


def test_held_deletes_can_be_accepted():
    """They are told with the list, and since when they are held."""
    stream = make_stream(resource="users", seen_at=NOW, held_deletes=90, held_at=NOW - HOUR)
    [matter] = sorted_out(seen(stream)).needs_you
    assert (matter.remedy, matter.resources, matter.since) == (Remedy.ACCEPT, ["users"], NOW - HOUR)


@pytest.mark.parametrize(
    ("error", "mends"),
    [("Unreachable", True), ("SlowDown", True), ("Stale", True), (None, True), ("Forbidden", False), ("Bug", False)],
)
def test_what_mends_itself(error, mends):
    """Apple's absence ends by itself; what Apple refuses does not, and neither does a mistake of ours."""
    assert mends_itself(error) is mends
    stream = make_stream(seen_at=NOW - 9 * HOUR, problem="It failed.", error=error, due_at=NOW + HOUR)
    found = sorted_out(seen(stream))
    assert bool(found.late) is mends
    assert bool(found.needs_you) is not mends
    [matter] = found.late or found.needs_you
    assert (matter.since, matter.next_at) == (NOW - 9 * HOUR, NOW + HOUR)


def test_lists_with_the_same_trouble_are_told_together():
    """A location that Apple does not answer is one line, and not six."""
    streams = [
        make_stream(resource=name, seen_at=NOW - 9 * HOUR, problem="Apple is away.", error="Unreachable")
        for name in ("assets", "users")
    ]
    [matter] = sorted_out(seen(*streams)).late
    assert matter.resources == ["assets", "users"]


def test_while_the_gate_is_shut_nothing_is_tried():
    """The next try is when it opens, if the list is due before."""
    stream = make_stream(seen_at=NOW - 9 * HOUR, problem="Apple is away.", error="Unreachable", due_at=NOW)
    [matter] = sorted_out(seen(stream, facts=replace(NOTHING, closing=CLOSING))).late
    assert matter.next_at == CLOSING.until


def test_without_a_scheduler_nothing_is_tried():
    """That needs a person, and no list has a next try."""
    stream = make_stream(seen_at=NOW - 9 * HOUR, due_at=NOW)
    found = sorted_out(seen(stream), ticked_at=None)
    assert [one.place for one in found.needs_you] == [None]
    assert [one.next_at for one in found.late] == [None]


def test_the_worst_comes_first():
    """What is of the whole installation stands among the rest by how bad it is."""
    soon = seen(FRESH, name="soon", token_expires=NOW + timedelta(days=3))
    gone = seen(FRESH, name="gone", uid="2", state=LocationState.REVOKED)
    found = sorted_out(soon, gone, outages={"Redis": "Redis does not answer."}, unhandled=(3, NOW - HOUR))
    assert [one.place for one in found.needs_you] == [None, "gone", None, "soon"]
