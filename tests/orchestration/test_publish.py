"""Publishes: a small crawl is published by the task that settles it, a larger one by a task of its own."""

import msgspec
import pytest
import sqlalchemy as sa

from apple.answers import pack
from orchestration.crawl_tasks import SMALL_PAGES
from storage.ledger.crawls import Crawl
from storage.ledger.pages import Content, PageFact
from storage.states import CrawlState, PageOutcome

from .world import UseCases, make_use_cases


@pytest.fixture
def use_cases(database, gate) -> UseCases:
    """The use cases, over either database."""
    return make_use_cases(database, gate)


def read_whole(use_cases: UseCases, pages: int, *resources: str) -> Crawl:
    """Open a sync of assets, or of these lists, and store all pages of assets, one asset each."""
    store = use_cases.store
    use_cases.syncer.open(store.add(), resources or ["assets"], full=False)
    [crawl] = [one for one in store.unfinished() if one.resource == "assets"]
    for index in range(pages):
        body = msgspec.json.encode({"assets": [{"adamId": str(index), "pricingParam": "STDQ"}]})
        fact = PageFact(
            index=index, round=0, outcome=PageOutcome.STORED, version="v1", total=pages, size=pages, records=1
        )
        store.pages.store(crawl.id, fact, Content(body=pack(body)))
    noted = store.crawls.note_first(crawl, "v1", pages)
    assert noted is not None
    return noted


def records(use_cases: UseCases) -> int:
    """Count what the mirror has."""
    return len(use_cases.store.mirror(use_cases.store.stream(use_cases.store.location, "assets")))


@pytest.mark.parametrize("pages", [1, SMALL_PAGES])
def test_a_small_crawl_is_published_where_it_settles(use_cases, pages):
    """The callback of its chord leaves the mirror as Apple is and the sync ended, and sends nothing."""
    crawl = read_whole(use_cases, pages)
    ended = use_cases.crawl_tasks.reconcile(crawl.id)
    assert (ended.words, records(use_cases)) == (f"+{pages} ~0 -0", pages)
    assert use_cases.store.crawls.get(crawl.id).state is CrawlState.PUBLISHED
    assert use_cases.store.syncs.open_ones() == []
    assert use_cases.sent.count("publish") == 0


def test_a_larger_crawl_has_a_task_for_that(use_cases):
    """It settles, and its publish is sent: a host that only decides is held up by none."""
    crawl = read_whole(use_cases, SMALL_PAGES + 1)
    assert use_cases.crawl_tasks.reconcile(crawl.id) is None
    assert (use_cases.store.crawls.get(crawl.id).state, records(use_cases)) == (CrawlState.SETTLED, 0)
    assert use_cases.sent.count("publish") == 1


def test_a_small_crawl_that_is_advanced_elsewhere_has_a_task_too(use_cases):
    """Who advances a crawl and publishes nothing, as tend and commands do, sends for it."""
    crawl = read_whole(use_cases, 1)
    assert use_cases.crawler.advance(crawl)
    assert use_cases.sent.count("publish") == 1


def test_a_crawl_that_settled_already_is_published_once(use_cases):
    """A callback that runs twice publishes once, and fails nothing."""
    crawl = read_whole(use_cases, 2)
    use_cases.crawl_tasks.reconcile(crawl.id)
    assert use_cases.crawl_tasks.reconcile(crawl.id) is None
    assert use_cases.store.crawls.get(crawl.id).state is CrawlState.PUBLISHED
    assert records(use_cases) == 2


@pytest.mark.parametrize("again", ["reconcile", "seed"])
def test_a_publish_that_its_task_did_not_come_to_is_made_up_for(use_cases, again):
    """The crawl settled and its worker died: the message that comes again, of whichever task, publishes it."""
    crawl = read_whole(use_cases, 2)
    assert use_cases.crawler.advance(crawl, sends_publish=False)
    tasks = use_cases.crawl_tasks
    ended = tasks.reconcile(crawl.id) if again == "reconcile" else tasks.seed(crawl.id, crawl.round)
    assert (ended.words, records(use_cases)) == ("+2 ~0 -0", 2)
    assert use_cases.store.syncs.open_ones() == []


def test_a_larger_crawl_that_settled_waits_for_its_own_task(use_cases):
    """A message that comes again leaves it alone, for a publish is on its way."""
    crawl = read_whole(use_cases, SMALL_PAGES + 1)
    use_cases.crawl_tasks.reconcile(crawl.id)
    use_cases.crawl_tasks.reconcile(crawl.id)
    use_cases.crawl_tasks.seed(crawl.id, crawl.round)
    assert (use_cases.store.crawls.get(crawl.id).state, records(use_cases)) == (CrawlState.SETTLED, 0)


def test_a_chain_is_handed_over_though_another_publishes(use_cases, database):
    """If somebody else is at the publish of the last paged list, the lists along cursors begin all the same."""
    if not database.is_postgresql:
        pytest.skip("a publish of SQLite holds up every other writer")
    store = use_cases.store
    crawl = read_whole(use_cases, 1, "assets", "subscriptions")
    with database.write() as other:
        other.execute(sa.select(sa.func.pg_try_advisory_xact_lock(crawl.stream_id)))
        assert use_cases.crawl_tasks.reconcile(crawl.id) is None
    assert store.crawls.get(crawl.id).state is CrawlState.SETTLED
    assert store.syncs.get(crawl.sync_id).is_handed_over
    assert use_cases.sent.count("follow") == 1
