"""When the scheduler has something read: spread over the interval, soon enough, and not twice."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.decisions.freshness import Freshness, freshness
from orchestration.decisions.timetable import COLLECT, GAP, Intervals, next_slot, patience
from storage.ledger.streams import Due, Stream

NOW = datetime(2026, 1, 1, tzinfo=UTC)

moments = st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
intervals = st.timedeltas(timedelta(seconds=5), timedelta(days=366))


@given(st.text(max_size=20), intervals, moments)
def test_the_next_moment_is_near(uid, every, after):
    """It is more than half an interval away, and at most one; from the second time on exactly one."""
    first = next_slot(uid, every, after)
    assert every / 2 - timedelta(microseconds=2) <= first - after <= every
    assert abs(next_slot(uid, every, first + timedelta(milliseconds=1)) - first - every) < timedelta(milliseconds=1)


def test_a_thousand_locations_are_spread():
    """No second of a quarter of an hour has more than a few of a thousand locations that were added at once."""
    every = timedelta(minutes=15)
    seconds = [int((next_slot(str(uid), every, NOW) - NOW).total_seconds()) for uid in range(1000)]
    assert max(seconds.count(second) for second in set(seconds)) <= 12
    quarters = [sum(low <= second < low + 112.5 for second in seconds) for low in (450, 562.5, 675, 787.5)]
    assert all(200 <= count <= 300 for count in quarters)


def test_streams_have_their_own_intervals():
    """A stream's own interval comes before its resource's, and that before everybody's."""
    stream = Stream(**dict.fromkeys(Stream.__dataclass_fields__) | {"resource": "users", "delta_seconds": 60})
    every = Intervals(delta={"users": timedelta(hours=1)}, full={"users": timedelta(hours=5)}, deep={})
    timetable = every.of("1", stream)
    assert (timetable.delta, timetable.full, timetable.deep) == (
        timedelta(minutes=1),
        timedelta(hours=5),
        timedelta(days=7),
    )


def due(seconds_ago: float | None) -> Due:
    """Make a stream that a notice wants since then, or that is due."""
    return Due(resource="users", wanted_since=None if seconds_ago is None else NOW - timedelta(seconds=seconds_ago))


@pytest.mark.parametrize(
    ("some", "opened", "seconds"),
    [
        ([due(None)], 0, 0),
        ([due(None), due(0)], 0, 0),
        ([due(0)], None, COLLECT.total_seconds()),
        ([due(0.4)], None, 0.6),
        ([due(5)], None, 0),
        ([due(5)], 0.5, GAP.total_seconds() - 0.5),
        ([due(5), due(0)], 10, 0),
        ([due(-100)], None, (COLLECT + GAP).total_seconds()),
    ],
)
def test_notices_wait_for_each_other(some, opened, seconds):
    """The first of a burst waits a moment, and the next sync a little longer; what is due by its interval does not."""
    last = None if opened is None else NOW - timedelta(seconds=opened)
    assert patience(some, last, NOW).total_seconds() == pytest.approx(seconds)


def test_what_joins_a_sync_waits_a_little_longer():
    """Beside a sync that is under way, readings that notices want are further apart; it is looked again soon."""
    last = NOW - timedelta(seconds=5)
    assert patience([due(4)], last, NOW) == timedelta()
    assert patience([due(4)], last, NOW, is_busy=True) == COLLECT + GAP
    assert patience([due(4)], NOW - timedelta(seconds=9), NOW, is_busy=True) == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("minutes", "state"),
    [(0, Freshness.FRESH), (16, Freshness.FRESH), (17, Freshness.LATE), (31, Freshness.LATE), (32, Freshness.FAILING)],
)
def test_late_is_a_fact(minutes, state):
    """Late after one interval and a little, failing after two."""
    assert freshness(timedelta(minutes=minutes), timedelta(minutes=15)) is state
