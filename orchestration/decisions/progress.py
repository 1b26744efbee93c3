"""Progress: how far the syncs of locations are, for people who watch them. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storage.closings import Closing
from storage.ledger.progress import ProgressReport
from storage.states import CrawlState, Trouble

#: A location of which nothing was heard for this long is not at work: it waits for a worker, or for its turn.
QUIET = timedelta(seconds=5)

#: How many requests of a location may be in flight.
_IN_FLIGHT = 5


class SyncStage(StrEnum):
    """Where a location is in its sync."""

    AT_WORK = "at work"
    RESTING = "resting"
    WAITING = "waiting"
    #: It failed, and a person has to act.
    NEEDS_YOU = "needs you"
    #: It failed for now.
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class SyncProgress:
    """How far the sync of one location is."""

    name: str
    uid: str
    stage: SyncStage
    pages: int
    #: How many pages there are in the lists whose length is known.
    total: int
    #: Whether that is all: the length of a list that is read along cursors is not known before its end.
    is_whole: bool
    records: int
    #: How many pages a second Apple's answers allow, five at a time; None before the first.
    allowed: float | None
    #: What each list is at, in a word or two, by its resource.
    lists: Mapping[str, str]
    #: What no request is sent because of, if it rests, and for how many seconds.
    closing: Closing | None = None
    rest_seconds: int = 0


def progress(
    reports: Iterable[ProgressReport], closings: Mapping[str, Closing], now: datetime, rate: int = 0
) -> list[SyncProgress]:
    """Return how far each location is, in the order of the reports.

    The rate is how many requests a second Apple allows a location; 0 where it names none.
    """
    found: dict[str, list[ProgressReport]] = {}
    for one in reports:
        found.setdefault(one.uid, []).append(one)
    return [_of_location(mine, closings.get(uid), now, rate) for uid, mine in found.items()]


def _of_location(reports: Sequence[ProgressReport], closing: Closing | None, now: datetime, rate: int) -> SyncProgress:
    stage = _stage(reports, closing, now)
    last = {one.resource: one for one in reports}
    busy = next((one.resource for one in reports if one.state is CrawlState.OPEN and one.pages), "")
    return SyncProgress(
        name=reports[0].name,
        uid=reports[0].uid,
        stage=stage,
        pages=sum(one.pages for one in reports),
        total=sum(max(one.total or 0, one.pages) for one in reports),
        is_whole=all(one.is_over or one.total is not None for one in reports),
        records=sum(one.records for one in reports),
        allowed=_allowed(reports, rate),
        lists={resource: _list(one, stage, busy) for resource, one in last.items()},
        closing=closing if stage is SyncStage.RESTING else None,
        rest_seconds=_left(closing, now) if stage is SyncStage.RESTING else 0,
    )


def _stage(reports: Sequence[ProgressReport], closing: Closing | None, now: datetime) -> SyncStage:
    under_way = [one for one in reports if not one.is_over]
    if not under_way:
        last = {one.resource: one for one in reports}.values()
        if all(one.is_in_step for one in last):
            return SyncStage.DONE
        return SyncStage.NEEDS_YOU if any(one.trouble is Trouble.PERSON for one in last) else SyncStage.FAILED
    if any(one.state is CrawlState.SETTLED for one in under_way):
        return SyncStage.AT_WORK
    if _left(closing, now):
        return SyncStage.RESTING
    return (
        SyncStage.AT_WORK if any(now - one.heard_at < QUIET and one.pages for one in under_way) else SyncStage.WAITING
    )


def _left(closing: Closing | None, now: datetime) -> int:
    return 0 if closing is None else max(0, math.ceil((closing.until - now).total_seconds()))


def _allowed(reports: Sequence[ProgressReport], rate: int) -> float | None:
    answered = [(one.answer_seconds, one.pages) for one in reports if one.answer_seconds and one.pages]
    if not answered:
        return None
    mean = sum(seconds * pages for seconds, pages in answered) / sum(pages for _, pages in answered)
    return min(_IN_FLIGHT / mean, rate or math.inf)


def _list(report: ProgressReport, stage: SyncStage, busy: str) -> str:
    """Return what a list is at; one that waits, for which other."""
    if report.state is CrawlState.SETTLED:
        return "publishing"
    if report.is_over:
        return "✓" if report.is_in_step else "failed"
    if not report.pages:
        return f"waiting for {busy}" if busy else "waiting"
    of = f"{report.pages:,}" if report.total is None else f"{report.pages:,}/{max(report.total, report.pages):,}"
    return of if stage is not SyncStage.WAITING else f"{of}, waiting"
