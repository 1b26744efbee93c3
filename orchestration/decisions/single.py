"""A list that Apple gives in one answer: one page is all of it, and consistent by itself. Pure."""

from storage.states import PageOutcome

from .index import failure, is_askable
from .model import CrawlDecision, CrawlFacts, Fail, Fetch, Seed, Settle


def decide_single(facts: CrawlFacts) -> CrawlDecision:
    """Decide what a crawl of such a list needs next."""
    failed = failure(facts.pages)
    if failed is not None:
        return failed
    only = next((page for page in facts.pages if page.index == 0), None)
    if only is None or is_askable(only):
        return Seed() if only is None else Fetch(indexes=(0,))
    if only.outcome is not PageOutcome.STORED:
        return Fail(reason="Apple's answer has no list of records.")
    return Settle(is_consistent=only.size in {None, only.records}, version=only.version, total=1)
