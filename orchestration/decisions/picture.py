"""Picture: a crawl as people watch it: where each page is, when each was at Apple, and what happened. Pure."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storage.ledger.crawls import PAGES_A_SCOPE, Crawl
from storage.ledger.pages import PageSight
from storage.ledger.waits import Wait
from storage.states import CrawlKind, CrawlState, PageOutcome

from .age import spell_age

#: How many requests of a location may be at Apple at a time; those of a chain come one after the other.
LANES = 5

#: More cells, or bars, than these say no more: a cell then stands for several pages, and only the last have bars.
MOST_CELLS = 2_000
MOST_BARS = 1_500

#: So many pages are told of one by one.
MOST_NOTES = 12


class PageState(StrEnum):
    """Where a page is, what matters most first: a cell of several pages shows that."""

    FAILED = "failed"  #: given up
    TRYING = "trying again"  #: an attempt failed, and another follows
    IN_FLIGHT = "in flight"  #: at Apple
    WAITING = "waiting"  #: for its turn, or for a worker
    MISSING = "not asked for"  #: it has no message yet
    REREAD = "read again"  #: stored, in a later round than the first
    STORED = "stored"
    GONE = "gone"  #: Apple has no such page any more


_OUTCOMES = {
    PageOutcome.BEYOND: PageState.GONE,
    PageOutcome.LOST: PageState.TRYING,
    PageOutcome.FAILED: PageState.FAILED,
    PageOutcome.TRYING: PageState.TRYING,
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One page in the grid, or several that follow each other."""

    #: The first page and the last, counted from 1.
    first: int
    last: int
    state: PageState
    words: str


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One request in the lanes: from when on, counted from the first, and for how long."""

    lane: int
    page: int
    start: float
    seconds: float
    is_reread: bool


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened."""

    at: datetime
    words: str
    #: Whether it is worth a second look.
    is_notable: bool = False


@dataclass(frozen=True, kw_only=True)
class PageNote:
    """A page that is worth a look: something happened to it, or it took the longest."""

    name: str
    index: int
    round: int
    state: PageState
    attempts: int
    records: int | None
    seconds: float | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A crawl as it stands."""

    cells: Sequence[Cell]
    counts: Mapping[PageState, int]
    bars: Sequence[Bar]
    #: How many bars are left out before the first, and when that began.
    hidden_bars: int
    begun_at: datetime | None
    events: Sequence[Event]
    notes: Sequence[PageNote]
    pages: int
    total: int | None
    records: int
    #: How long it took, or takes so far; and how long it would at least at the speed of Apple's answers.
    seconds: float
    ideal_seconds: float | None
    #: How long an answer took on average.
    answer_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What is known of a crawl besides itself."""

    pages: Sequence[PageSight]
    waits: Sequence[Wait] = ()
    #: The indexes that are at Apple, and that wait.
    at_apple: AbstractSet[int] = frozenset()
    waiting: AbstractSet[int] = frozenset()
    ended_at: datetime | None = None
    #: What it changed in the mirror.
    result: str | None = None


def picture(crawl: Crawl, sight: Sight, now: datetime) -> Picture:
    """Return a crawl as people watch it."""
    shown = [one for one in sight.pages if one.index >= 0]
    states = dict(_states(crawl, sight, shown))
    answered = [one for one in shown if one.outcome is PageOutcome.STORED and one.seconds is not None]
    mean = sum(one.seconds or 0.0 for one in answered) / len(answered) if answered else None
    bars, begun_at = _bars(crawl, answered)
    side_by_side = 1 if crawl.is_chained else LANES
    total = _total(crawl, shown)
    requests = max(total or 0, len(answered))
    return Picture(
        cells=list(_cells(crawl, states, {one.index: one for one in shown})),
        counts=Counter(states.values()),
        bars=bars,
        hidden_bars=len(answered) - len(bars),
        begun_at=begun_at,
        events=sorted(_events(crawl, sight, shown), key=lambda one: one.at),
        notes=_notes(crawl, states, shown),
        pages=len(answered),
        total=total,
        records=sum(one.records or 0 for one in answered),
        seconds=((sight.ended_at or now) - crawl.opened_at).total_seconds(),
        ideal_seconds=None if mean is None else mean * -(-requests // side_by_side),
        answer_seconds=mean,
    )


def _total(crawl: Crawl, pages: Sequence[PageSight]) -> int | None:
    """Return how many pages there are, by the last answer; of a list along cursors nobody knows before its end."""
    if crawl.total is not None and crawl.state is not CrawlState.OPEN:
        return crawl.total
    last = max((one for one in pages if one.total is not None), key=lambda one: one.fetched_at, default=None)
    return crawl.total if last is None else last.total


def _states(crawl: Crawl, sight: Sight, pages: Sequence[PageSight]) -> Iterator[tuple[int, PageState]]:
    known = {one.index: one for one in pages}
    indexes = set(known) | {one for one in sight.at_apple | sight.waiting if one >= 0}
    total = _total(crawl, pages)
    if total is not None and crawl.kind is not CrawlKind.SPOT:
        indexes |= set(range(total))
    for index in sorted(indexes):
        yield index, _state(crawl, sight, known.get(index), index)


def _state(crawl: Crawl, sight: Sight, page: PageSight | None, index: int) -> PageState:
    if index in sight.at_apple:
        return PageState.IN_FLIGHT
    if page is not None and page.outcome is PageOutcome.STORED and page.round >= crawl.floor:
        if index in sight.waiting:
            return PageState.WAITING
        return PageState.REREAD if _is_reread(crawl, page) else PageState.STORED
    if page is not None and page.outcome is not PageOutcome.STORED:
        return _OUTCOMES[page.outcome]
    return PageState.WAITING if index in sight.waiting else PageState.MISSING


def _notes(crawl: Crawl, states: Mapping[int, PageState], pages: Sequence[PageSight]) -> list[PageNote]:
    """Return the pages that something happened to, and the slowest of the others."""
    order = list(PageState)
    plain = order.index(PageState.STORED)

    def weight(page: PageSight) -> tuple[int, float]:
        return min(order.index(states[page.index]), plain), -(page.seconds or 0.0)

    return [
        PageNote(
            name=name_page(crawl, one.index),
            index=one.index,
            round=one.round,
            state=states[one.index],
            attempts=one.attempts,
            records=one.records,
            seconds=one.seconds,
            reason=one.reason,
        )
        for one in heapq.nsmallest(MOST_NOTES, pages, key=weight)
    ]


def _is_reread(crawl: Crawl, page: PageSight) -> bool:
    """Return whether a page was read again: of a crawl that never did so, later rounds had new pages alone."""
    return crawl.rereads > 0 and page.round > crawl.floor + 1


def _cells(crawl: Crawl, states: Mapping[int, PageState], pages: Mapping[int, PageSight]) -> Iterator[Cell]:
    order = list(PageState)
    size = -(-len(states) // MOST_CELLS) or 1
    indexes = list(states)
    for place in range(0, len(indexes), size):
        some = indexes[place : place + size]
        state = min((states[one] for one in some), key=order.index)
        words = _told(crawl, some[0], state, pages.get(some[0])) if size == 1 else _told_together(some, state)
        yield Cell(first=some[0] + 1, last=some[-1] + 1, state=state, words=words)


def name_page(crawl: Crawl, index: int) -> str:
    """Return what a page is called: of which asset, where only some are read."""
    if crawl.kind is CrawlKind.SPOT and index // PAGES_A_SCOPE < len(crawl.scopes):
        scope = crawl.scopes[index // PAGES_A_SCOPE]
        return f"Asset {scope.adam_id}, page {index % PAGES_A_SCOPE + 1:,}"
    return f"Page {index + 1:,}"


def _told(crawl: Crawl, index: int, state: PageState, page: PageSight | None) -> str:
    words = f"{name_page(crawl, index)}: {state}"
    if page is None:
        return words
    if page.outcome is PageOutcome.STORED and page.seconds is not None:
        words += f", {page.records or 0:,} records in {page.seconds * 1000:,.0f} ms"
    if page.attempts > 1:
        words += f", attempt {page.attempts}"
    return words if page.reason is None else f"{words}: {page.reason}"


def _told_together(indexes: Sequence[int], state: PageState) -> str:
    return f"Pages {indexes[0] + 1:,} to {indexes[-1] + 1:,}: {state}"


def _bars(crawl: Crawl, answered: Sequence[PageSight]) -> tuple[list[Bar], datetime | None]:
    """Put each request into a lane: of several that are free, the one that is free the longest."""
    spans = sorted((one.fetched_at - timedelta(seconds=one.seconds or 0.0), one.index, one) for one in answered)
    spans = spans[-MOST_BARS:]
    if not spans:
        return [], None
    first = spans[0][0]
    free = [(0.0, lane) for lane in range(LANES)]
    bars = []
    for begun, index, page in spans:
        end = (page.fetched_at - first).total_seconds()
        free_at, lane = heapq.heappop(free)
        # Moments are those of storing: a request may seem to begin a moment before the one before it was over.
        start = min(max((begun - first).total_seconds(), free_at), end)
        is_reread = _is_reread(crawl, page)
        bars.append(Bar(lane=lane, page=index + 1, start=start, seconds=end - start, is_reread=is_reread))
        heapq.heappush(free, (end, lane))
    return bars, first


def _events(crawl: Crawl, sight: Sight, pages: Sequence[PageSight]) -> Iterator[Event]:
    yield Event(at=crawl.opened_at, words=_opening(crawl))
    yield from _drift(pages)
    for wait in sight.waits:
        asked = "Apple asked for a rest of" if wait.is_asked else "Apple did not answer: requests rested for"
        yield Event(at=wait.begun_at, words=f"{asked} {_seconds(wait.seconds)}.", is_notable=True)
    for one in pages:
        if one.outcome in {PageOutcome.FAILED, PageOutcome.TRYING, PageOutcome.LOST}:
            times = f", attempt {one.attempts}" if one.attempts > 1 else ""
            words = f"{name_page(crawl, one.index)} {one.outcome}{times}: {one.reason or 'no reason is known'}"
            yield Event(at=one.fetched_at, words=words, is_notable=True)
    yield from _rereads(crawl, pages)
    if crawl.restarts or crawl.revivals:
        words = f"It began again {crawl.restarts}x, and messages were lost and sent again {crawl.revivals}x."
        yield Event(at=crawl.moved_at, words=words, is_notable=True)
    if sight.ended_at is not None:
        yield Event(at=sight.ended_at, words=_end(crawl, sight), is_notable=crawl.state is CrawlState.FAILED)


def _rereads(crawl: Crawl, pages: Sequence[PageSight]) -> Iterator[Event]:
    """Tell that the data changed, by the pages that were read again: what they said before is no longer known."""
    reread = [one for one in pages if one.outcome is PageOutcome.STORED and _is_reread(crawl, one)]
    if reread:
        what = "1 page was" if len(reread) == 1 else f"{len(reread):,} pages were"
        words = f"The data changed while they were read: {what} read again."
        yield Event(at=min(one.fetched_at for one in reread), words=words, is_notable=True)
    elif crawl.drift:
        times = "once" if crawl.drift == 1 else f"{crawl.drift} times"
        yield Event(at=crawl.moved_at, words=f"The data changed {times} while they were read.", is_notable=True)


def _drift(pages: Sequence[PageSight]) -> Iterator[Event]:
    """Tell each time that an answer showed another number of pages, or another version."""
    total = version = None
    for one in sorted((one for one in pages if one.total is not None), key=lambda one: one.fetched_at):
        if total is not None and one.total is not None and one.total != total:
            yield Event(
                at=one.fetched_at, words=f"Apple has {one.total:,} pages now, {total:,} before.", is_notable=True
            )
        elif version is not None and one.version != version:
            yield Event(at=one.fetched_at, words="The data changed: Apple shows another version.", is_notable=True)
        total, version = one.total, one.version


def _opening(crawl: Crawl) -> str:
    what = {
        CrawlKind.FULL: "Everything is read",
        CrawlKind.DELTA: "What changed is read",
        CrawlKind.SPOT: f"{len(crawl.scopes)} assets whose counts disagree are read",
    }[crawl.kind]
    return f"{what}{f' ({crawl.forced_by})' if crawl.forced_by else ''}."


def _end(crawl: Crawl, sight: Sight) -> str:
    if crawl.state is CrawlState.FAILED:
        return f"It failed: {crawl.reason or 'no reason is known'}"
    if crawl.state is CrawlState.UNCHANGED:
        return "Nothing had changed."
    torn = "" if crawl.is_consistent else " The data changed too often meanwhile: nothing was deleted."
    return f"Published: {sight.result or 'nothing changed'}.{torn}"


def _seconds(seconds: float) -> str:
    return spell_age(timedelta(seconds=seconds))
