"""What an unfinished crawl needs on which nothing works any more."""

from datetime import timedelta

import pytest

from orchestration.decisions.revival import PUBLISH_QUIET, QUIET, REVIVAL_LIMIT, Revival, RevivalFacts, decide_revival
from storage.states import CrawlKind, CrawlState
from tests.support.examples import NOW, make_crawl

LONG_AGO = NOW - timedelta(minutes=5)


def facts(*, is_at_gate: bool = False, last_page_at=None, is_its_turn: bool = True, **more) -> RevivalFacts:
    """Make the facts of an open crawl that has been quiet for long."""
    crawl = make_crawl(**{"state": CrawlState.OPEN, "moved_at": LONG_AGO} | more)
    return RevivalFacts(crawl=crawl, last_page_at=last_page_at, is_at_gate=is_at_gate, is_its_turn=is_its_turn)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (facts(), Revival.ADVANCE),
        (facts(kind=CrawlKind.SPOT), Revival.ADVANCE),
        (facts(resource="subscriptions"), Revival.ADVANCE),
        (facts(resource="subscriptions", is_its_turn=False), Revival.NOTHING),
        (facts(is_at_gate=True), Revival.NOTHING),
        (facts(last_page_at=NOW - QUIET / 2), Revival.NOTHING),
        (facts(revivals=REVIVAL_LIMIT), Revival.FAIL),
        (facts(state=CrawlState.SETTLED), Revival.PUBLISH),
        (facts(state=CrawlState.SETTLED, moved_at=NOW - PUBLISH_QUIET / 2), Revival.NOTHING),
        (facts(state=CrawlState.PUBLISHED), Revival.NOTHING),
    ],
)
def test_what_is_revived(given, wanted):
    """Only a crawl on which nothing works is revived, and not for ever."""
    assert decide_revival(given, NOW) is wanted


def test_moments_of_a_wrong_clock_say_nothing():
    """A crawl that moved, it seems, far in the future is looked after like one that has been quiet for long."""
    crawl = facts(moved_at=NOW)
    assert decide_revival(crawl, NOW) is Revival.NOTHING
    assert decide_revival(crawl, NOW - timedelta(hours=9)) is Revival.ADVANCE
    assert decide_revival(crawl, NOW + QUIET) is Revival.ADVANCE
