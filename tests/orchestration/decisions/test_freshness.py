"""How old a stream's mirror is, and whether that is too old."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.decisions.age import spell_age
from orchestration.decisions.freshness import Freshness, age_of, freshness, judge_streams
from orchestration.decisions.timetable import Intervals
from tests.support.examples import HOUR, NOW, make_location, make_stream

FRESH, LATE, FAILING = Freshness.FRESH, Freshness.LATE, Freshness.FAILING
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("age", "limit", "verdict"),
    [
        (timedelta(), HOUR, FRESH),
        (HOUR, HOUR, FRESH),
        (66 * MINUTE, HOUR, FRESH),
        (67 * MINUTE, HOUR, LATE),
        (126 * MINUTE, HOUR, LATE),
        (127 * MINUTE, HOUR, FAILING),
        (2 * MINUTE, MINUTE, FRESH),
        (121 * timedelta(seconds=1), MINUTE, LATE),
    ],
)
def test_an_age_is_judged_by_an_interval(age, limit, verdict):
    """A stream is late a tenth of its interval, at least a minute, after it was due; after two intervals it fails."""
    assert freshness(age, limit) is verdict


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=30)), st.integers(min_value=60, max_value=10**6))
def test_older_is_never_fresher(age, seconds):
    """Of two ages the greater one is never judged better."""
    order = list(Freshness)
    limit = timedelta(seconds=seconds)
    assert order.index(freshness(age + MINUTE, limit)) >= order.index(freshness(age, limit))


def test_the_age_of_a_new_stream():
    """A stream that was never in step is as old as its location is kept."""
    location = make_location(added_at=NOW - 3 * HOUR)
    assert age_of(location, make_stream(), NOW) == 3 * HOUR
    assert age_of(location, make_stream(seen_at=NOW - MINUTE), NOW) == MINUTE


def test_one_age_for_all():
    """If an age is given, what is older than it fails, whatever the intervals are."""
    streams = [make_stream(seen_at=NOW - MINUTE), make_stream(seen_at=NOW - HOUR)]
    intervals = Intervals(delta={}, full={}, deep={})
    verdicts = judge_streams(make_location(), streams, intervals, NOW, 5 * MINUTE)
    assert [one.freshness for one in verdicts] == [FRESH, FAILING]
    assert {one.limit for one in verdicts} == {5 * MINUTE}


def test_a_stream_has_its_own_interval():
    """A stream with an interval of its own is judged by that."""
    slow = make_stream(seen_at=NOW - HOUR, delta_seconds=7200)
    [verdict] = judge_streams(make_location(), [slow], Intervals(delta={}, full={}, deep={}), NOW)
    assert (verdict.freshness, verdict.limit) == (FRESH, 2 * HOUR)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(), "0 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
        (timedelta(days=400), "400 d"),
    ],
)
def test_an_age_in_words(age, words):
    """An age is said in the largest unit of which there are two."""
    assert spell_age(age) == words
