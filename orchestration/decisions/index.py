"""Numbered pages: from what the ledger has of them to what to do next. Pure.

A page's state is its version and the total that it shows. Page 0 is asked for again to learn the current state; pages
of another state may have had their records moved, so they are read again too, a bounded number of times.
"""

from collections.abc import Sequence

from storage.ledger.pages import PageFact
from storage.states import PageOutcome

from .model import (
    LOST_LIMIT,
    PAGE_LIMIT,
    REREAD_LIMIT,
    ROUND_LIMIT,
    CrawlDecision,
    CrawlFacts,
    Fail,
    Fetch,
    Seed,
    Settle,
)


def decide_index(facts: CrawlFacts) -> CrawlDecision:
    """Decide what a crawl needs next.

    The state of a page is its version and the total that it shows. A crawl is consistent if every page below the total
    is stored in the state of page 0. If some are not, page 0 is read again, since its answer is the present state; then
    every page of another state. Example: pages 0 to 4 are of version v1 and page 5 is of v2. The decisions are in turn
    `Fetch((0,), is_reread=True)`, which brings page 0 of v2, then `Fetch((1, 2, 3, 4))`, then `Settle`.
    If the data never rest, the crawl settles as torn after `REREAD_LIMIT` times, and may then delete nothing.
    """
    pages = {page.index: page for page in facts.pages}
    failed = failure(facts.pages)
    if failed is not None:
        return failed
    first = pages.get(0)
    if first is None or is_askable(first):
        return Seed() if first is None else Fetch(indexes=(0,))
    if first.outcome is not PageOutcome.STORED:
        return _without_first(facts)
    total = _total(first, pages)
    if total is None:
        return _walk(facts, pages)
    if total > PAGE_LIMIT:
        return Fail(reason=f"Apple claims {total} pages; more than {PAGE_LIMIT} are not believed.")
    return _complete(facts, pages, total)


def _without_first(facts: CrawlFacts) -> CrawlDecision:
    if facts.is_delta:  # no list may be how Apple shows an empty one: the base stays, and nothing is lost
        return Settle(is_consistent=False, version=None, total=0)
    return Fail(reason="Apple's first page has no list of records.")


def _complete(facts: CrawlFacts, pages: dict[int, PageFact], total: int) -> CrawlDecision:
    first = pages[0]
    missing = tuple(index for index in range(total) if index not in pages or is_askable(pages[index]))
    if missing and facts.round < ROUND_LIMIT:
        return Fetch(indexes=missing)
    present = [pages[index] for index in range(total) if index in pages]
    moved = [page for page in present if page.outcome is PageOutcome.STORED and _state(page) != _state(first)]
    torn = Settle(is_consistent=False, version=first.version, total=total)
    if any(page.round >= first.round for page in moved):  # page 0 itself is of an older version
        return Fetch(indexes=(0,), is_reread=True) if facts.rereads < REREAD_LIMIT else torn
    if moved and facts.round < ROUND_LIMIT:
        return Fetch(indexes=tuple(page.index for page in moved))
    if missing or moved or not _is_consistent(present, total, is_delta=facts.is_delta):
        return torn
    return Settle(is_consistent=True, version=first.version, total=total)


def _walk(facts: CrawlFacts, pages: dict[int, PageFact]) -> CrawlDecision:
    """Go from page to page if Apple gives no total."""
    index = 0
    while (following := pages[index].next_index) is not None:
        if following <= index:
            return Fail(reason=f"Page {index} says that page {following} comes next.")
        if following not in pages or is_askable(pages[following]):
            return Fetch(indexes=(following,)) if following < PAGE_LIMIT else Fail(reason="The pages do not end.")
        if pages[following].outcome is not PageOutcome.STORED:
            break
        index = following
    return _complete(facts, pages, index + 1)


def _total(first: PageFact, pages: dict[int, PageFact]) -> int | None:
    """Return how many pages there are, by page 0 and every page read since."""
    fresh = [page for page in pages.values() if page.round >= first.round and page.outcome is PageOutcome.STORED]
    if first.total is None:
        return None
    shown = [page.total for page in fresh if page.total is not None]
    beyond = [page.next_index + 1 for page in fresh if page.next_index is not None]
    return max(1, *shown, *beyond)


def failure(pages: Sequence[PageFact]) -> Fail | None:
    """Return the failure of the first page that could not be read; None if there is none."""
    failed = next((page for page in pages if page.outcome is PageOutcome.FAILED), None)
    if failed is None:
        return None
    return Fail(reason=failed.reason or f"Page {failed.index} could not be read.", error=failed.error)


def is_askable(page: PageFact) -> bool:
    """Return whether a page is missing and worth another request."""
    if page.outcome is PageOutcome.TRYING:
        return True
    return page.outcome in {PageOutcome.LOST, PageOutcome.BEYOND} and page.attempts < LOST_LIMIT


def _state(page: PageFact) -> tuple[str | None, int | None]:
    return page.version, page.total


def _is_consistent(present: Sequence[PageFact], total: int, *, is_delta: bool) -> bool:
    """Return whether the pages are one whole list of one moment, with nothing between them or after them."""
    if len(present) != total or (present[0].version is None and not is_delta):  # a delta may bring no new version
        return False
    return all(
        page.outcome is PageOutcome.STORED
        and page.next_index == (page.index + 1 if page.index + 1 < total else None)
        and page.size in {None, page.records}
        for page in present
    )
