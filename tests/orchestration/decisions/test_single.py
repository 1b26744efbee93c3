"""A list in one answer: it is there, or it is not."""

import pytest

from orchestration.decisions.model import LOST_LIMIT, CrawlFacts, Fail, Fetch, Seed, Settle
from orchestration.decisions.single import decide_single
from storage.ledger.pages import PageFact
from storage.states import PageOutcome


def decide(*pages):
    """Decide from some pages."""
    return decide_single(CrawlFacts(round=0, rereads=0, pages=pages))


def page(outcome=PageOutcome.STORED, **more):
    """Make the one page."""
    return PageFact(**{"index": 0, "round": 0, "outcome": outcome, "total": 1, "records": 3} | more)


@pytest.mark.parametrize(
    ("pages", "decision"),
    [
        ((), Seed()),
        ((page(PageOutcome.LOST, attempts=1),), Fetch(indexes=(0,))),
        ((page(PageOutcome.TRYING, attempts=2),), Fetch(indexes=(0,))),
        ((page(),), Settle(is_consistent=True, version=None, total=1)),
        ((page(size=3),), Settle(is_consistent=True, version=None, total=1)),
        ((page(size=4),), Settle(is_consistent=False, version=None, total=1)),
        ((page(PageOutcome.LOST, attempts=LOST_LIMIT),), Fail(reason="Apple's answer has no list of records.")),
        ((page(PageOutcome.FAILED, reason="Away."),), Fail(reason="Away.")),
    ],
    ids=str,
)
def test_what_is_decided(pages, decision):
    """One whole answer is consistent; one that is shorter than it says proves nothing."""
    assert decide(*pages) == decision
