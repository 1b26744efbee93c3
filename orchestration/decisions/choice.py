"""Choice: which kind of crawl a sync opens for each stream, and which it opens after those. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apple.resources import RESOURCES
from storage.ledger.crawls import Crawl
from storage.ledger.streams import Stream
from storage.ledger.syncs import Wanted
from storage.states import CrawlKind, CrawlState, Reason

from .timetable import Timetable

#: Reasons that trigger a full crawl within the same sync.
_AT_ONCE = (Reason.ASKED, Reason.RETIRED)


def choose(stream: Stream, timetable: Timetable, now: datetime, *, full: bool) -> Wanted:
    """Choose how much of a stream to read."""
    return replace(_how_much(stream, timetable, now, full=full), next_due=timetable.next_due(now))


def _how_much(stream: Stream, timetable: Timetable, now: datetime, *, full: bool) -> Wanted:
    if full:
        return Wanted(stream=stream, forced_by=Reason.ASKED)
    is_wanted = stream.full_wanted is not None and (stream.full_after is None or stream.full_after <= now)
    if is_wanted:
        return Wanted(stream=stream, forced_by=stream.full_wanted)
    has_delta = RESOURCES[stream.resource].has_delta and stream.version is not None
    if has_delta and stream.full_wanted is not None:
        return delta(stream)  # a full crawl is wanted, and has to wait
    if timetable.is_deep_due(stream.deep_at, now):
        return Wanted(stream=stream, forced_by=Reason.DEEP)
    if not has_delta:
        return Wanted(stream=stream)
    return Wanted(stream=stream) if timetable.is_full_due(stream.full_at, now) else delta(stream)


def delta(stream: Stream) -> Wanted:
    """Choose a delta from the last publish."""
    return Wanted(stream=stream, kind=CrawlKind.DELTA, since=stream.version)


def further(stream: Stream, crawls: Sequence[Crawl]) -> Wanted | None:
    """Choose what else to read of a stream after the crawls that a sync made of it, if anything."""
    last = crawls[-1]
    if last.kind is not CrawlKind.FULL:
        is_wanted = last.state is not CrawlState.FAILED and stream.full_wanted in _AT_ONCE
        return Wanted(stream=stream, forced_by=stream.full_wanted) if is_wanted else None
    is_torn = last.state is CrawlState.PUBLISHED and not last.is_consistent
    if is_torn and RESOURCES[stream.resource].has_delta and stream.version is not None:
        return delta(stream)  # what a torn crawl may have missed changed since it began: a delta from there has it
    return None


def is_touched(crawl: Crawl) -> bool:
    """Return whether a crawl may have moved the mirror, or found that Apple's data moved."""
    if crawl.state is CrawlState.PUBLISHED:
        return True
    return crawl.state is CrawlState.UNCHANGED and crawl.kind is CrawlKind.DELTA and crawl.version != crawl.since
