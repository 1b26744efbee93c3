"""Every crawl is decided by the function for its kind and paging; and a first page may show that there is no more."""

from datetime import timedelta

import pytest

from orchestration.decisions.model import Fail, Fetch, Seed, Settle, Step
from orchestration.decisions.reconcile import decide_crawl, is_unchanged
from storage.ledger.crawls import Scope
from storage.ledger.pages import PageFact
from storage.states import CrawlKind, PageOutcome
from tests.support.examples import NOW, make_crawl

HOUR = timedelta(hours=1)


def page(index: int = 0, **more) -> PageFact:
    """Make a stored page of two."""
    values = {"round": 0, "outcome": PageOutcome.STORED, "version": "v2", "total": 2, "size": 3, "records": 3}
    return PageFact(**{"index": index, **values} | more)


def open_crawl(**more):
    """Make a crawl that has asked for its first page, and for nothing else."""
    return make_crawl(**{"round": 0, "floor": 0, "rereads": 0, "restarts": 0, "scopes": (), "opened_at": NOW} | more)


@pytest.mark.parametrize(
    ("resource", "decision"),
    [
        ("assets", Seed()),
        ("users", Seed()),
        ("licenses", Seed()),
        ("legacy-assets", Seed()),
        ("subscriptions", Step(index=0)),
        ("subscription-admins", Step(index=0)),
    ],
)
def test_every_crawl_begins_with_its_first_page(resource, decision):
    """Without a page the first one is what a crawl needs: a seed, or the first step of a chain."""
    assert decide_crawl(open_crawl(resource=resource), []) == decision


def test_a_list_by_numbers_is_fanned_out():
    """Behind the first page of a list with page numbers come all the others, at once."""
    assert decide_crawl(open_crawl(resource="assignments"), [page(next_index=1, total=4)]) == Fetch(indexes=(1, 2, 3))


def test_a_list_by_cursors_is_followed():
    """Behind the first page of a list with cursors comes the next one, alone."""
    first = page(next_index=1, total=None, version=None)
    assert decide_crawl(open_crawl(resource="subscriptions"), [first]) == Step(index=1)


def test_a_list_in_one_answer_is_settled():
    """A list that Apple returns whole is settled with its one answer."""
    decision = decide_crawl(open_crawl(resource="legacy-assets"), [page(total=1, version=None)])
    assert decision == Settle(is_consistent=True, version=None, total=1)


def test_a_spot_is_judged_by_its_assets():
    """A spot looks at pages of assets, whatever the paging of its resource: they have no version to compare."""
    spot = open_crawl(resource="assignments", kind=CrawlKind.SPOT, scopes=(Scope(adam_id="1", pricing_param="STDQ"),))
    decision = decide_crawl(spot, [page(total=1, version="v9")])
    assert isinstance(decision, Settle)


def test_a_round_is_counted_from_the_last_beginning():
    """A crawl that was begun again has the rounds of its new life alone: what failed before is not held against it."""
    old = page(0, outcome=PageOutcome.FAILED, reason="Away.", round=0)
    assert decide_crawl(open_crawl(resource="assignments", round=1, floor=0), [old]) == Fail(reason="Away.")
    assert decide_crawl(open_crawl(resource="assignments", round=1, floor=1), []) == Seed()


@pytest.mark.parametrize(
    ("more", "is_same"),
    [
        ({"records": 0, "total": 0}, True),
        ({"records": 0, "total": 1}, True),
        ({"records": 0, "total": None}, True),
        ({"records": 1, "total": 1}, False),
        ({"records": 0, "total": 2}, False),
        ({"records": 0, "total": 1, "next_index": 1}, False),
    ],
    ids=str,
)
def test_a_delta_without_records(more, is_same):
    """An empty list of changes of one page shows that nothing changed; an empty page of several does not."""
    assert is_unchanged(make_crawl(kind=CrawlKind.DELTA), page(**more), "v1") is is_same


@pytest.mark.parametrize(
    ("version", "complete", "forced_by", "is_same"),
    [
        ("v1", "v1", None, True),
        ("v1", "v1", "a person", False),
        ("v2", "v1", None, False),
        ("v1", None, None, False),
        (None, None, None, False),
    ],
)
def test_a_full_crawl_of_the_same_version(version, complete, forced_by, is_same):
    """A full crawl ends at its first page if the mirror is of that version, unless a person asked for all of it."""
    crawl = make_crawl(kind=CrawlKind.FULL, forced_by=forced_by)
    assert is_unchanged(crawl, page(version=version), complete) is is_same
