"""Spots: assets whose count disagrees with their assignments, looked into one by one. Pure.

Apple's counts and lists are not of one moment, and some may never agree. So what was looked into and did not agree is
looked into again when it is off by another number, or after a wait that doubles each time.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from storage.ledger.crawls import PAGES_A_SCOPE, Crawl, Scope
from storage.ledger.pages import PageFact
from storage.ledger.streams import SKEW
from storage.mirror.counts import Disagreement, Look
from storage.states import CrawlKind, PageOutcome, Reason

from .index import decide_index, is_askable
from .model import CrawlDecision, CrawlFacts, Fail, Fetch, Seed, Settle

#: After this many looks an asset waits in any case: its numbers may never agree.
EAGER_LIMIT = 6

#: More assets than this are not looked into one by one, whatever a full crawl would cost.
SPOT_LIMIT = 500


def since_last_look(crawls: Sequence[Crawl]) -> tuple[Crawl | None, list[Crawl]]:
    """Return a sync's last look into disagreements, and its crawls of assets and assignments since."""
    looks = [crawl for crawl in crawls if crawl.kind is CrawlKind.SPOT or crawl.forced_by == Reason.COUNTS]
    last = looks[-1] if looks else None
    return last, [crawl for crawl in crawls if last is None or crawl.id > last.id]


def noted(differing: Sequence[Disagreement], now: datetime, *, is_after_look: bool) -> list[Disagreement]:
    """Return what a comparison stores: the assets to look into now or, after a look, those that still disagree."""
    if not is_after_look:
        return due(differing, now)
    looked = [(one, one.last) for one in differing if one.last is not None]
    news = due([one for one in differing if one.last is None], now)
    return [*(replace(one, last=replace(last, counted=one.counted, listed=one.listed)) for one, last in looked), *news]


def postpone(chosen: Sequence[Disagreement], until: datetime) -> list[Disagreement]:
    """Return assets with the moment before which they are not looked into."""
    return [replace(one, last=replace(one.last, again_at=until)) for one in chosen if one.last is not None]


def are_counts_old(crawls: Sequence[Crawl]) -> bool:
    """Return whether the counts are older than the assignments: read again, they may well agree."""
    assets = [crawl.opened_at for crawl in crawls if crawl.resource == "assets"]
    lists = [crawl.moved_at for crawl in crawls if crawl.resource == "assignments"]
    return not assets or (bool(lists) and max(assets) < max(lists))


def due(differing: Sequence[Disagreement], now: datetime) -> list[Disagreement]:
    """Return the assets to look into now. Until that is done, they are stored as due."""
    chosen = (one for one in differing if _is_due(one, now))
    return [replace(one, last=_pending(one, now)) for one in chosen]


def is_full_cheaper(chosen: Sequence[Disagreement], pages: int | None, records: int) -> bool:
    """Return whether a full crawl of that many pages and records costs less than a spot crawl of these assets."""
    if len(chosen) > SPOT_LIMIT:
        return True
    a_page = max(1, records // pages) if pages else records or 1
    return sum(max(1, -(-one.counted // a_page)) for one in chosen) >= max(2, pages or 1)


def decide_spot(facts: CrawlFacts) -> CrawlDecision:
    """Decide what a spot needs next: each asset is a list of its own."""
    decisions = [_decide(facts, place) for place in range(len(facts.scopes))]
    failures = [decision for decision in decisions if isinstance(decision, Fail)]
    if len(failures) == len(decisions):
        return failures[0]
    fetches = [(place, one) for place, one in enumerate(decisions) if isinstance(one, Fetch)]
    if fetches:
        indexes = [place * PAGES_A_SCOPE + index for place, one in fetches for index in one.indexes]
        return Fetch(indexes=tuple(indexes), is_reread=any(one.is_reread for _, one in fetches))
    pairs = zip(facts.scopes, decisions, strict=True)
    scopes = tuple(_settled(scope, one) for scope, one in pairs)
    return Settle(is_consistent=any(scope.is_consistent for scope in scopes), version=None, total=None, scopes=scopes)


def _decide(facts: CrawlFacts, place: int) -> CrawlDecision:
    mine = _of(facts, place)
    first = next((page for page in mine.pages if page.index == 0), None)
    is_none = first is not None and first.outcome in {PageOutcome.BEYOND, PageOutcome.LOST} and not is_askable(first)
    if is_none and facts.scopes[place].counted == 0:
        return Settle(is_consistent=True, version=None, total=0)  # Apple counts none, and has no first page of none
    decision = decide_index(mine)
    return Fetch(indexes=(0,)) if isinstance(decision, Seed) else decision  # all assets are read side by side


def _settled(scope: Scope, decision: CrawlDecision) -> Scope:
    if isinstance(decision, Settle):
        return replace(scope, is_consistent=decision.is_consistent, total=decision.total)
    return replace(scope, total=0)  # it could not be read: no page of it counts


def _of(facts: CrawlFacts, place: int) -> CrawlFacts:
    start = place * PAGES_A_SCOPE
    mine: list[PageFact] = [page for page in facts.pages if start <= page.index < start + PAGES_A_SCOPE]
    return replace(facts, pages=[replace(page, index=page.index - start) for page in mine], scopes=())


def _is_due(one: Disagreement, now: datetime) -> bool:
    last = one.last
    if last is None or last.again_at <= now:
        return True
    # A count that is off by the same number as before is most likely off for the same reason.
    return last.attempts < EAGER_LIMIT and last.counted - last.listed != one.counted - one.listed


def _pending(one: Disagreement, now: datetime) -> Look:
    attempts = one.last.attempts if one.last is not None else 0
    # Due for every process: the clock of another may be some milliseconds behind.
    return Look(counted=one.counted, listed=one.listed, attempts=attempts, again_at=now - SKEW)


def scopes_of(chosen: Sequence[Disagreement]) -> tuple[Scope, ...]:
    """Name the assets to read."""
    return tuple(
        Scope(
            adam_id=one.adam_id,
            pricing_param=one.pricing_param,
            counted=one.counted,
            listed=one.listed,
            attempts=one.last.attempts if one.last is not None else 0,
        )
        for one in chosen
    )
