"""How a token, a stream, its counts, the scheduler and the notices stand: one sentence each."""

from datetime import timedelta

import pytest

from orchestration.decisions import health
from orchestration.decisions.freshness import judge_streams
from orchestration.decisions.timetable import Intervals
from storage.states import LocationState, Reason
from tests.support.examples import HOUR, NOW, make_disagreement, make_location, make_stream


@pytest.mark.parametrize(
    ("given", "state", "words"),
    [
        (make_location(), "valid", ""),
        (make_location(token_expires=NOW + timedelta(days=20)), "expiring", "in 20 days, on 2026-01-21"),
        (make_location(token_expires=NOW + HOUR), "expiring", "less than a day"),
        (make_location(token_expires=NOW - HOUR), "expired", "date has passed"),
        (make_location(state=LocationState.REVOKED), "revoked", "was revoked"),
        (make_location(state=LocationState.WRONG), "wrong", "does not know"),
        (make_location(state=LocationState.FOREIGN), "foreign", "Another service"),
        (make_location(state=LocationState.EXPIRED, problem="Apple said so."), "expired", "Apple said so."),
    ],
)
def test_how_a_token_stands(given, state, words):
    """Each state has one sentence, and what there is advice on."""
    told = health.of_token(given, NOW)
    assert told.state == state
    assert words in (told.words or "")
    assert (told.about is None) == (told.words is None or "Apple said so." in told.words)


@pytest.mark.parametrize(
    ("given", "state", "words"),
    [
        (make_stream(seen_at=NOW), "in step", ""),
        (make_stream(seen_at=NOW - timedelta(minutes=20)), "late", "due every 15 min"),
        (make_stream(seen_at=NOW - HOUR), "failing", "Last in step 60 min ago"),
        (make_stream(), "new", ""),
        (make_stream(held_deletes=30), "held", "30 deletes are held"),
        (make_stream(full_wanted=Reason.TORN, torn_fulls=1), "torn", "the next sync"),
        (make_stream(full_wanted=Reason.TORN, torn_fulls=4, full_after=NOW), "torn", "torn 4 times"),
        (make_stream(problem="Apple is away."), "failing", "Apple is away."),
    ],
)
def test_how_a_stream_stands(given, state, words):
    """What holds a stream back is told in one sentence."""
    intervals = Intervals(delta={}, full={}, deep={})

    def stands(of):
        return health.of_stream(judge_streams(of, [given], intervals, NOW)[0])

    assert stands(make_location()).state == state
    assert words in (stands(make_location()).words or "")
    assert stands(make_location(state=LocationState.REVOKED)).state == "revoked"


def test_how_counts_are_reported():
    """The first few are told one by one, the others as a number."""
    assert (
        "counts 12 assignments of asset 1 STDQ and lists 10; looked into once"
        in health.of_counts([make_disagreement(attempts=1)])[0]
    )
    many = health.of_counts([make_disagreement(attempts=2)] * 9)
    assert len(many) == health.SHOWN + 1
    assert many[-1].startswith("6 more")


def test_how_the_scheduler_stands():
    """It runs if it ran a moment ago; otherwise a sentence says that it stands still."""
    assert health.of_scheduler(NOW - timedelta(seconds=50), NOW).words is None
    assert "last ran 60 min ago" in (health.of_scheduler(NOW - HOUR, NOW).words or "")
    assert health.of_scheduler(None, NOW).about == "never"


def test_how_notices_stand():
    """Notices that were just received are being handled; those that wait for longer are a warning."""
    assert health.of_notices(3, NOW - timedelta(seconds=50), NOW).words is None
    assert health.of_notices(0, None, NOW).words is None
    waiting = health.of_notices(3, NOW - HOUR, NOW)
    assert waiting.alarm is health.Alarm.WARNING
    assert "3 notices have been waiting since 2025-12-31 23:00 UTC" in (waiting.words or "")
