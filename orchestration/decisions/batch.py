"""Batches of the legacy service: from what the ledger has of them to what to do next. Pure."""

from storage.ledger.pages import AGAIN, BASE, CHECK, END, PageFact
from storage.states import PageOutcome

from .index import failure, is_askable
from .model import PAGE_LIMIT, REREAD_LIMIT, ROUND_LIMIT, CrawlDecision, CrawlFacts, Fail, Fetch, Restart, Seed, Settle


def decide_batch(facts: CrawlFacts) -> CrawlDecision:
    """Decide what a crawl of batches needs next.

    The legacy service has no versions, so a crawl of N batches proves by four more requests that nothing changed
    meanwhile. What changes while the batches are read is in a delta from the token of batch N; the first answer is
    older than that token, so it is read again at the end. Example with N = 3 (indexes 0 to 3, where 0 is the first
    answer): first 0, which brings the count; then 3 alone, which brings the token for later changes; then `BASE` (the
    first answer right after it, with the number of all records) and `END` (batch 3 once more: what was removed from
    it before that number was read is in no later list); then 1 and 2; then `AGAIN`, the first answer in its present
    state; then `CHECK`, the changes since the token. The crawl is consistent only if `CHECK` lists no change and
    `AGAIN` names the same number as `BASE`: a removal is in no list of changes, but it makes the number smaller.
    """
    failed = failure(facts.pages)
    if failed is not None:
        return failed
    batches = {page.index: page for page in facts.pages}
    first = batches.get(0)
    if first is None:
        return Seed()
    if is_askable(first):
        return Fetch(indexes=(0,))
    if first.outcome is not PageOutcome.STORED:
        return Fail(reason="Apple's first answer has neither a batchToken nor a sinceModifiedToken.")
    if first.is_last:  # one answer is of one moment
        return Settle(is_consistent=True, version=first.version, total=1)
    return _walk(batches) if first.total is None else _complete(facts, batches)


def _complete(facts: CrawlFacts, batches: dict[int, PageFact]) -> CrawlDecision:
    total = _total(batches)
    if total > PAGE_LIMIT:
        return Fail(reason=f"Apple claims {total - 1} batches; more than {PAGE_LIMIT} are not believed.")
    missing = _missing(batches, total)
    if missing and facts.round < ROUND_LIMIT:
        return Fetch(indexes=missing)
    last = batches.get(total - 1)
    version = last.version if last is not None else None
    torn = Settle(is_consistent=False, version=version, total=total)
    if missing or any(batches[index].outcome is not PageOutcome.STORED for index in range(total)):
        return torn
    if _has_drifted(batches, total):
        return Restart() if facts.restarts < REREAD_LIMIT else torn
    return _check(facts, batches, torn)


def _has_drifted(batches: dict[int, PageFact], total: int) -> bool:
    stored = (batch for index, batch in batches.items() if index != CHECK and batch.outcome is PageOutcome.STORED)
    return any(batch.total not in {None, total} for batch in stored)


def _missing(batches: dict[int, PageFact], total: int) -> tuple[int, ...]:
    """Name the batches to ask for.

    The last batch is first and alone, since its token must be older than the others; then the base, and the last again.
    """
    for index in (total - 1, BASE, END):
        if _is_missing(batches.get(index)):
            return (index,)
    return tuple(index for index in range(1, total) if _is_missing(batches.get(index)))


def _check(facts: CrawlFacts, batches: dict[int, PageFact], torn: Settle) -> CrawlDecision:
    """Request the changes since the last batch: if there are none, nothing changed while the batches were read."""
    for index in (AGAIN, CHECK):
        if _is_missing(batches.get(index)) and facts.round < ROUND_LIMIT:
            return Fetch(indexes=(index,))
    check, again = batches.get(CHECK), batches.get(AGAIN)
    if check is None or again is None:
        return torn
    if {again.outcome, batches[BASE].outcome, batches[END].outcome} != {PageOutcome.STORED}:
        return torn
    if check.outcome is not PageOutcome.STORED or check.records or not check.is_last:
        return torn
    if again.size != batches[BASE].size:  # a removal is in no list of changes, but the whole list is shorter
        return torn
    return Settle(is_consistent=True, version=check.version, total=torn.total)


def _walk(batches: dict[int, PageFact]) -> CrawlDecision:
    """Go from batch to batch where Apple does not say how many there are."""
    index = 0
    while not batches[index].is_last:
        index += 1
        if index >= PAGE_LIMIT:
            return Fail(reason="The batches do not end.")
        if _is_missing(batches.get(index)):
            return Fetch(indexes=(index,))
        if batches[index].outcome is not PageOutcome.STORED:
            return Settle(is_consistent=False, version=None, total=index)
    return Settle(is_consistent=False, version=batches[index].version, total=index + 1)


def _total(batches: dict[int, PageFact]) -> int:
    """Find how many answers there are, by the largest number that any of them shows."""
    return max(batch.total or 0 for index, batch in batches.items() if index >= 0)


def _is_missing(batch: PageFact | None) -> bool:
    return batch is None or is_askable(batch)
