"""The chain of cursors: from what the ledger has of its steps to what to do next. Pure.

Every step depends on the one before, so there is never more than one to take. A version that moves on the way makes all
that was read before it doubtful: the chain starts over, a bounded number of times, and then goes on as torn.
"""

from storage.ledger.crawls import Crawl
from storage.ledger.pages import PageFact
from storage.states import PageOutcome

from .index import failure, is_askable
from .model import PAGE_LIMIT, REREAD_LIMIT, CrawlDecision, CrawlFacts, Fail, Restart, Settle, Step


def goes_straight_on(crawl: Crawl, step: PageFact) -> bool:
    """Return whether the next step needs no decision: the version is the first one's, and a cursor follows."""
    is_one = step.version is not None and step.version == crawl.version
    return step.outcome is PageOutcome.STORED and not step.is_last and is_one and step.index + 1 < PAGE_LIMIT


def decide_cursor(facts: CrawlFacts) -> CrawlDecision:
    """Decide what a chain needs next."""
    failed = failure(facts.pages)
    if failed is not None:
        return failed
    steps = {page.index: page for page in facts.pages}
    index = 0
    while index in steps and not is_askable(steps[index]):
        step = steps[index]
        if step.outcome is not PageOutcome.STORED:
            return Fail(reason=f"Step {index} has no list of records.")
        if step.version != steps[0].version and facts.restarts < REREAD_LIMIT:
            return Restart()
        if step.is_last:
            versions = {page.version for page in facts.pages}
            is_one = len(versions) == 1 and None not in versions
            return Settle(is_consistent=is_one, version=steps[0].version, total=index + 1)
        index += 1
    return Step(index=index) if index < PAGE_LIMIT else Fail(reason="The cursors do not end.")
