"""How much is read of a stream, and what is read further because of what was read."""

from datetime import timedelta

import pytest

from orchestration.decisions import choice
from orchestration.decisions.timetable import Intervals, Timetable
from storage.states import CrawlKind, CrawlState, Reason
from tests.support.examples import HOUR, NOW, make_crawl, make_stream

UNCHANGED = CrawlState.UNCHANGED


@pytest.mark.parametrize(
    ("given", "kind", "forced_by"),
    [
        (make_stream(), CrawlKind.DELTA, None),
        (make_stream(resource="assets"), CrawlKind.FULL, None),
        (make_stream(version=None), CrawlKind.FULL, None),
        (make_stream(full_at=NOW - 25 * HOUR), CrawlKind.FULL, None),
        (make_stream(full_wanted="torn"), CrawlKind.FULL, "torn"),
        (make_stream(full_wanted="torn", full_after=NOW + HOUR), CrawlKind.DELTA, None),
        (make_stream(full_wanted="torn", full_after=NOW - HOUR), CrawlKind.FULL, "torn"),
    ],
)
def test_how_much_is_read(given, kind, forced_by):
    """What changed, where Apple tells; everything at times, and where something wants it."""
    wanted = choice.choose(given, Timetable(uid="1"), NOW, full=False)
    assert (wanted.kind, wanted.forced_by) == (kind, forced_by)
    assert wanted.since == ("v1" if kind is CrawlKind.DELTA else None)


def test_everything_is_read_as_often_as_somebody_says():
    """The interval of full crawls is each resource's own, and each stream's before that."""
    intervals = Intervals(delta={}, full={"assignments": timedelta(minutes=30)}, deep={})

    def kind(given):
        return choice.choose(given, intervals.of("1", given), NOW, full=False).kind

    assert kind(make_stream()) is CrawlKind.FULL
    assert kind(make_stream(resource="users")) is CrawlKind.DELTA
    assert kind(make_stream(full_seconds=10 * 3600)) is CrawlKind.DELTA


def test_what_somebody_asked_for_and_what_is_due():
    """A full reading takes no short cut where somebody asked for it, and where none was made for a week."""
    assert choice.choose(make_stream(), Timetable(uid="1"), NOW, full=True).forced_by == Reason.ASKED
    deep = choice.choose(make_stream(deep_at=NOW - timedelta(days=7)), Timetable(uid="1"), NOW, full=False)
    assert (deep.kind, deep.forced_by) == (CrawlKind.FULL, Reason.DEEP)


@pytest.mark.parametrize(
    ("given", "last", "kind"),
    [
        (make_stream(), make_crawl(), None),
        (make_stream(), make_crawl(is_consistent=False), CrawlKind.DELTA),
        (make_stream(resource="assets"), make_crawl(is_consistent=False), None),
        (make_stream(), make_crawl(kind=CrawlKind.DELTA), None),
        (make_stream(full_wanted=Reason.RETIRED), make_crawl(kind=CrawlKind.DELTA), CrawlKind.FULL),
        (
            make_stream(full_wanted=Reason.ASKED),
            make_crawl(kind=CrawlKind.DELTA, state=CrawlState.UNCHANGED),
            CrawlKind.FULL,
        ),
        (make_stream(full_wanted=Reason.RETIRED), make_crawl(kind=CrawlKind.DELTA, state=CrawlState.FAILED), None),
        (make_stream(full_wanted=Reason.HELD), make_crawl(), None),
    ],
)
def test_what_is_read_further(given, last, kind):
    """A torn reading is caught up with, and what only a full reading can tell is read in full."""
    wanted = choice.further(given, [last])
    assert (wanted.kind if wanted else None) is kind
