"""Reconcile: what a crawl needs next, by the function for its kind of paging. Pure."""

from collections.abc import Callable, Sequence

from apple.resources import RESOURCES, Paging
from storage.ledger.crawls import Crawl
from storage.ledger.pages import PageFact
from storage.states import CrawlKind

from .batch import decide_batch
from .cursor import decide_cursor
from .index import decide_index
from .model import CrawlDecision, CrawlFacts
from .single import decide_single
from .spot import decide_spot

_BY_PAGING: dict[Paging, Callable[[CrawlFacts], CrawlDecision]] = {
    Paging.INDEX: decide_index,
    Paging.BATCH: decide_batch,
    Paging.SINGLE: decide_single,
    Paging.CURSOR: decide_cursor,
}


def decide_crawl(crawl: Crawl, pages: Sequence[PageFact]) -> CrawlDecision:
    """Decide what a crawl needs next."""
    facts = CrawlFacts(
        round=crawl.round - crawl.floor,
        rereads=crawl.rereads,
        restarts=crawl.restarts,
        pages=pages,
        is_delta=crawl.kind is CrawlKind.DELTA,
        scopes=crawl.scopes,
    )
    if crawl.kind is CrawlKind.SPOT:
        return decide_spot(facts)
    return _BY_PAGING[RESOURCES[crawl.resource].paging](facts)


def is_unchanged(crawl: Crawl, first: PageFact, complete_version: str | None) -> bool:
    """Return whether the first page alone shows that the mirror already is what Apple has."""
    if crawl.kind is CrawlKind.DELTA:
        return first.records == 0 and first.is_last and first.total in {None, 0, 1}
    return crawl.forced_by is None and first.version is not None and first.version == complete_version
