"""What is known of an installation at one moment, and how bad it is."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from orchestration.decisions.freshness import judge_streams
from orchestration.decisions.health import Alarm, of_notices, of_scheduler
from orchestration.decisions.overview import LocationFacts, LocationView, Overview, view
from orchestration.decisions.timetable import Intervals
from storage.closings import Closing
from storage.states import CrawlState, LocationState
from tests.support.examples import HOUR, NOW, make_disagreement, make_location, make_report, make_stream

NOTHING = LocationFacts(reports={}, counts=(), closing=None)
FRESH = make_stream(seen_at=NOW)
CLOSING = Closing(gate="1", until=NOW + HOUR, step=1, why="Apple asks for fewer requests.", error="SlowDown")


def seen(*streams, facts=NOTHING, is_scheduler_running=True, **location) -> LocationView:
    """View a location with some streams."""
    one = make_location(**location)
    verdicts = judge_streams(one, streams, Intervals(delta={}, full={}, deep={}), NOW)
    return view(one, verdicts, NOW, facts, is_scheduler_running=is_scheduler_running)


def overview(*locations, ticked_at=NOW, outages=None, unhandled: tuple[int, datetime | None] = (0, None)) -> Overview:
    """Put an overview together."""
    return Overview(
        now=NOW,
        locations=locations,
        ticked_at=ticked_at,
        scheduler=of_scheduler(ticked_at, NOW),
        notices=of_notices(*unhandled, NOW),
        outages=outages or {},
    )


def test_all_is_well():
    """A fresh stream, a valid token and a scheduler that runs: no alarm, and nothing to say."""
    found = overview(seen(FRESH))
    assert (found.alarm, found.troubles, list(found.notes())) == (Alarm.OK, [], [])


def test_nothing_is_kept():
    """An installation without locations is no trouble, even if no scheduler runs."""
    found = overview(ticked_at=None)
    assert (found.alarm, list(found.notes()), found.oldest) == (Alarm.OK, [], timedelta())


def test_the_worst_is_first():
    """Troubles are listed with the worst first, and each names what it is about."""
    late = make_stream(seen_at=NOW - timedelta(minutes=20))
    expired = seen(FRESH, name="berlin", token_expires=NOW - HOUR)
    found = overview(seen(late), expired, outages={"Redis": "Redis does not answer."}, unhandled=(2, NOW - HOUR))
    assert [one.alarm for one in found.troubles] == [Alarm.CRITICAL] * 2 + [Alarm.WARNING] * 2
    assert [one.sentence.split(":")[0] for one in found.troubles] == [
        "Redis does not answer.",
        "berlin",
        found.troubles[2].sentence.split(":")[0],
        "hq assignments",
    ]
    assert found.alarm is Alarm.CRITICAL


def test_a_refused_token_hides_its_streams():
    """What is wrong with a token is said once, and not once more for each of its streams."""
    words = {"problem": "The token was revoked.", "error": "TokenRevoked"}
    failing = make_stream(**words)
    found = overview(seen(failing, failing, state=LocationState.REVOKED, **words))
    assert len(found.troubles) == 1
    assert list(found.notes()) == ["hq: The token was revoked."]


def test_each_note_has_its_place():
    """A stream's sentence names location and resource, and counts that disagree are the assignments'."""
    facts = replace(NOTHING, counts=[make_disagreement(attempts=1)])
    found = overview(seen(make_stream(seen_at=NOW, problem="Apple is away."), facts=facts))
    notes = list(found.notes())
    assert notes[0] == "hq assignments: Apple is away."
    assert notes[1].startswith("hq assignments: Apple counts 12 assignments of asset 1 STDQ and lists 10")


def test_a_scheduler_that_stands_still_is_said():
    """With locations, a scheduler that never ran or stopped is a note, but no alarm of its own."""
    for ticked_at, words in ((None, "No scheduler runs."), (NOW - HOUR, "last ran 60 min ago")):
        found = overview(seen(FRESH), ticked_at=ticked_at)
        assert words in list(found.notes())[-1]
        assert not found.is_scheduler_running
        assert found.alarm is Alarm.OK


@pytest.mark.parametrize(
    ("report", "is_running", "closing", "state"),
    [
        (make_report(CrawlState.SETTLED, heard_at=NOW - HOUR), True, None, "publishing"),
        (make_report(CrawlState.OPEN, heard_at=NOW), True, None, "reading"),
        (make_report(CrawlState.OPEN, heard_at=NOW - HOUR), True, None, "waiting"),
        (make_report(CrawlState.OPEN, heard_at=NOW - HOUR), False, CLOSING, "waiting"),
        (make_report(CrawlState.OPEN, heard_at=NOW - HOUR), False, None, "stopped"),
    ],
)
def test_what_a_crawl_is_doing(report, is_running, closing, state):
    """A crawl is being read or published, waits for Apple or its turn, or stands still since nobody works."""
    facts = replace(NOTHING, reports={"assignments": report}, closing=closing)
    found = seen(FRESH, facts=facts, is_scheduler_running=is_running)
    reading = found.streams[0].reading
    assert reading is not None
    assert reading.state == state


def test_the_oldest_stream():
    """The oldest of all streams is what monitoring draws."""
    found = overview(seen(FRESH, make_stream(seen_at=NOW - HOUR)), seen(make_stream(seen_at=NOW - 2 * HOUR), name="b"))
    assert found.oldest == 2 * HOUR
    assert len(found.verdicts) == 3
