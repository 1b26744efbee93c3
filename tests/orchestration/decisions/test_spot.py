"""Which assets are looked into alone, and what is decided about the pages of many at once."""

import pytest

from orchestration.decisions import spot
from orchestration.decisions.model import CrawlFacts, Fail, Fetch, Settle
from storage.ledger.crawls import PAGES_A_SCOPE, Scope
from storage.ledger.pages import PageFact
from storage.states import CrawlKind, PageOutcome
from tests.support.examples import HOUR, NOW, make_crawl, make_disagreement


@pytest.mark.parametrize(
    ("one", "is_due"),
    [
        (make_disagreement(), True),
        (make_disagreement(attempts=1), False),
        (make_disagreement(attempts=1, counted=15, listed=13), False),
        (make_disagreement(attempts=1, listed=11), True),
        (make_disagreement(attempts=1, again=NOW), True),
        (make_disagreement(attempts=spot.EAGER_LIMIT, listed=11), False),
        (make_disagreement(attempts=spot.EAGER_LIMIT, listed=11, again=NOW), True),
    ],
)
def test_disagreements_back_off(one, is_due):
    """What did not agree is looked into again when it is off by another number, or later and later."""
    due = spot.due([one], NOW)
    assert bool(due) is is_due
    if due:
        assert due[0].last.again_at <= NOW  # due until it was looked into


@pytest.mark.parametrize(
    ("count", "pages", "records", "is_full"),
    [(1, 40, 2000, False), (19, 40, 2000, False), (40, 40, 2000, True), (5, 1, 30, True), (501, 9999, 99999, True)],
)
def test_when_everything_costs_less(count, pages, records, is_full):
    """Assets are read alone as long as that takes fewer pages than reading all."""
    assert spot.is_full_cheaper([make_disagreement() for _ in range(count)], pages, records) is is_full


def test_counts_that_are_old():
    """Counts from before the assignments were read are read again first, once a sync."""
    assets = make_crawl(resource="assets", opened_at=NOW - HOUR)
    assert spot.are_counts_old([make_crawl()])
    assert spot.are_counts_old([assets, make_crawl()])
    assert not spot.are_counts_old([assets, make_crawl(), make_crawl(resource="assets")])
    assert not spot.are_counts_old([make_crawl(moved_at=NOW - 2 * HOUR), assets])


def test_what_came_after_a_look():
    """Only what was read since the last look calls for another."""
    first, look, later = make_crawl(id=1), make_crawl(id=2, kind=CrawlKind.SPOT), make_crawl(id=3)
    assert spot.since_last_look([first]) == (None, [first])
    assert spot.since_last_look([first, look]) == (look, [])
    assert spot.since_last_look([first, look, later]) == (look, [later])


def page(index, *, total=1, version="v1") -> PageFact:
    """Make a page of a spot."""
    following = index % PAGES_A_SCOPE + 1
    return PageFact(
        index=index,
        round=1,
        outcome=PageOutcome.STORED,
        version=version,
        total=total,
        next_index=following if following < total else None,
        size=2,
        records=2,
    )


def test_a_spot_is_many_lists():
    """Each asset is a list of its own, and only one whose own pages are of one moment tells what is gone."""
    scopes = tuple(Scope(adam_id=str(number), pricing_param="STDQ") for number in range(3))
    second, third = PAGES_A_SCOPE, 2 * PAGES_A_SCOPE
    reading = CrawlFacts(round=1, rereads=0, pages=[page(0), page(second, total=2)], scopes=scopes)
    assert spot.decide_spot(reading) == Fetch(indexes=(second + 1, third))
    whole = [page(0), page(second, total=2), page(second + 1, total=2), page(third, version="other")]
    settled = spot.decide_spot(CrawlFacts(round=1, rereads=0, pages=whole, scopes=scopes))
    assert isinstance(settled, Settle)
    assert [(scope.is_consistent, scope.total) for scope in settled.scopes] == [(True, 1), (True, 2), (True, 1)]
    torn = [page(0), page(second, total=2), page(second + 1, total=2, version="other"), page(third)]
    settled = spot.decide_spot(CrawlFacts(round=1, rereads=3, pages=torn, scopes=scopes))
    assert [scope.is_consistent for scope in settled.scopes] == [True, False, True]


def test_an_asset_that_cannot_be_read():
    """One of several costs nothing but itself, all of them the spot; none at all may be Apple's way to say no page."""
    scopes = (Scope(adam_id="1", pricing_param="STDQ", counted=3), Scope(adam_id="2", pricing_param="STDQ", counted=0))
    failed = PageFact(index=0, round=1, outcome=PageOutcome.FAILED, reason="Apple is away.")
    beyond = PageFact(index=PAGES_A_SCOPE, round=1, outcome=PageOutcome.BEYOND, attempts=3)
    settled = spot.decide_spot(CrawlFacts(round=1, rereads=0, pages=[failed, beyond], scopes=scopes))
    assert [(scope.is_consistent, scope.total) for scope in settled.scopes] == [(False, 0), (True, 0)]
    assert spot.decide_spot(CrawlFacts(round=1, rereads=0, pages=[failed], scopes=scopes[:1])) == Fail(
        reason="Apple is away."
    )
