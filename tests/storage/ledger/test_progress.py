"""How far the crawls of a sync are, for whoever waits for them."""

import pytest

from storage.ledger.pages import Content, PageFact
from storage.states import Cause, CrawlKind, CrawlState, PageOutcome, Trouble
from tests.support.filled_store import FilledStore, make_store


@pytest.fixture
def store(database) -> FilledStore:
    """A store with one location."""
    made = make_store(database)
    made.add()
    return made


def report(store: FilledStore, crawl_id: int):
    """Return the report of a crawl, and whether its sync is over."""
    reports, is_over = store.progress.of([store.crawls.get(crawl_id).sync_id])
    return next(one for one in reports if one.crawl_id == crawl_id), is_over


def store_page(store: FilledStore, crawl_id: int, index: int, **more) -> None:
    """Store a page of ten records."""
    values = {"outcome": PageOutcome.STORED, "records": 10, "total": 5} | more
    store.pages.store(crawl_id, PageFact(index=index, round=0, **values), Content(body=b"{}"))


def test_a_crawl_that_has_just_begun(store):
    """Nothing is read yet, and nothing is over."""
    crawl_id = store.open(store.stream(store.location, "assets")).crawl_id
    found, is_over = report(store, crawl_id)
    assert (found.pages, found.total, found.records, is_over) == (0, None, 0, False)
    assert (found.name, found.uid, found.resource, found.kind) == ("hq", "1", "assets", CrawlKind.FULL)


def test_pages_are_counted(store):
    """Stored pages and their records count; attempts, lost pages and checks do not."""
    crawl_id = store.open(store.stream(store.location, "assets")).crawl_id
    store_page(store, crawl_id, 0)
    store_page(store, crawl_id, 1)
    store_page(store, crawl_id, 2, outcome=PageOutcome.TRYING)
    store_page(store, crawl_id, 3, outcome=PageOutcome.LOST)
    store_page(store, crawl_id, -2)
    found, _ = report(store, crawl_id)
    assert (found.pages, found.total, found.records) == (2, 5, 20)


def test_a_sync_is_over_with_its_last_crawl(store):
    """A sync is over when all of its crawls are, and it has ended."""
    settled = store.read(store.stream(store.location, "assets"), [{"adamId": "1", "pricingParam": "STDQ"}])
    store.publish(settled)
    found, is_over = report(store, settled.id)
    assert (found.is_over, found.is_in_step, found.inserted, is_over) == (True, True, 1, False)
    assert store.syncs.end(store.syncs.get(settled.sync_id))
    assert report(store, settled.id)[1] is True


def test_a_failure_has_its_reason(store):
    """A crawl that failed says why, whose trouble that is, and the name of the error."""
    crawl = store.crawls.get(store.open(store.stream(store.location, "users")).crawl_id)
    store.crawls.fail(crawl, Cause(reason="Apple is away.", trouble=Trouble.AWAY, error="Unreachable"))
    found, _ = report(store, crawl.id)
    assert (found.state, found.reason, found.trouble, found.error) == (
        CrawlState.FAILED,
        "Apple is away.",
        Trouble.AWAY,
        "Unreachable",
    )
    assert (found.is_over, found.is_in_step) == (True, False)


def test_a_sign_of_life_is_no_difference(store):
    """Two reports that differ only in when the crawl was last heard of are equal: nothing was read meanwhile."""
    crawl_id = store.open(store.stream(store.location, "assets")).crawl_id
    before, _ = report(store, crawl_id)
    store_page(store, crawl_id, 0, outcome=PageOutcome.TRYING, total=None)
    after, _ = report(store, crawl_id)
    assert before == after
    assert after.heard_at >= before.heard_at


def test_many_syncs_in_one_look(store):
    """Several syncs are reported on at once, location by location; no sync is none."""
    store.add("berlin", "2")
    for name in ("hq", "berlin"):
        store.open(store.stream(store.locations.named(name), "assets"))
    reports, is_over = store.progress.of(store.syncs.open_ones())
    assert [one.name for one in reports] == ["berlin", "hq"]
    assert is_over is False
    assert store.progress.of([]) == ([], True)
