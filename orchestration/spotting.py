"""Spots: assets whose count disagrees with their assignments, looked into one by one. Pure.

Apple's counts and lists are not of one moment, and some may never agree. So what was looked into and did not agree is
looked into again when its numbers have changed, or after a wait that doubles each time.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from storage.counts import Disagreement, Look
from storage.crawls import Crawl, Scope
from storage.ending import Reason
from storage.pages import PAGES_A_SCOPE, PageFact
from storage.schema import CrawlKind

from .decisions import Decision, Fail, Fetch, Reading, Settle
from .reconciling import reconcile

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(days=1)

#: Looked into so often, an asset waits even if its numbers move: they may be moving for no reason.
EAGER_LIMIT = 6

#: More assets than this are not looked into one by one, whatever a full crawl would cost.
SPOT_LIMIT = 500


def is_done(crawls: Sequence[Crawl]) -> bool:
    """Tell whether a sync looked into disagreements already: once is enough."""
    return any(crawl.kind is CrawlKind.SPOT or crawl.forced_by == Reason.COUNTS for crawl in crawls)


def after(differing: Sequence[Disagreement]) -> list[Disagreement]:
    """Note what the numbers are after a look."""
    looked = [(one, one.last) for one in differing if one.last is not None]
    return [replace(one, last=replace(last, counted=one.counted, listed=one.listed)) for one, last in looked]


def are_counts_old(crawls: Sequence[Crawl]) -> bool:
    """Tell whether the counts were read before the assignments: read once more, they may well agree."""
    assets = [crawl for crawl in crawls if crawl.resource == "assets"]
    lists = [crawl.moved_at for crawl in crawls if crawl.resource == "assignments"]
    if len(assets) > 1:  # once a sync
        return False
    return not assets or (bool(lists) and assets[0].opened_at < max(lists))


def due(differing: Sequence[Disagreement], now: datetime) -> list[Disagreement]:
    """Choose which assets to look into now, each with its next look noted."""
    return [replace(one, last=_look(one, now)) for one in differing if _is_due(one, now)]


def is_full_cheaper(chosen: Sequence[Disagreement], pages: int | None, records: int) -> bool:
    """Tell whether reading everything, which took so many pages for so many records, costs less than these assets."""
    if len(chosen) > SPOT_LIMIT:
        return True
    a_page = max(1, records // pages) if pages else records or 1
    return sum(max(1, -(-one.counted // a_page)) for one in chosen) >= max(2, pages or 1)


def reconcile_spot(reading: Reading) -> Decision:
    """Decide what a spot needs next: each asset is a list of its own."""
    decisions = [reconcile(_of(reading, place)) for place in range(len(reading.scopes))]
    for decision in decisions:
        if isinstance(decision, Fail):
            return decision
    fetches = [(place, one) for place, one in enumerate(decisions) if isinstance(one, Fetch)]
    if fetches:
        indexes = [place * PAGES_A_SCOPE + index for place, one in fetches for index in one.indexes]
        return Fetch(indexes=tuple(indexes), is_reread=any(one.is_reread for _, one in fetches))
    settled = [one for one in decisions if isinstance(one, Settle)]
    pairs = zip(reading.scopes, settled, strict=True)
    scopes = tuple(replace(scope, is_consistent=one.is_consistent) for scope, one in pairs)
    return Settle(is_consistent=any(scope.is_consistent for scope in scopes), version=None, total=None, scopes=scopes)


def _of(reading: Reading, place: int) -> Reading:
    start = place * PAGES_A_SCOPE
    mine: list[PageFact] = [page for page in reading.pages if start <= page.index < start + PAGES_A_SCOPE]
    return replace(reading, pages=[replace(page, index=page.index - start) for page in mine], scopes=())


def _is_due(one: Disagreement, now: datetime) -> bool:
    last = one.last
    if last is None or last.again_at <= now:
        return True
    return last.attempts < EAGER_LIMIT and (last.counted, last.listed) != (one.counted, one.listed)


def _look(one: Disagreement, now: datetime) -> Look:
    attempts = (one.last.attempts if one.last is not None else 0) + 1
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts - 1, 16))
    return Look(counted=one.counted, listed=one.listed, attempts=attempts, again_at=now + wait)


def scopes_of(chosen: Sequence[Disagreement]) -> tuple[Scope, ...]:
    """Name the assets to read."""
    return tuple(Scope(adam_id=one.adam_id, pricing_param=one.pricing_param) for one in chosen)
