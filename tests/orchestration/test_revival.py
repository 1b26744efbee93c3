"""Tend and publishes: what is read whole waits for its publish, however long, and holds nobody up."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orchestration.decisions.revival import PUBLISH_LOST
from storage.database import Database
from storage.ledger.crawls import Crawl
from storage.schema import crawls
from storage.states import CrawlState

from .world import UseCases, make_use_cases


@pytest.fixture
def use_cases(database, gate) -> UseCases:
    """The use cases, over either database."""
    return make_use_cases(database, gate)


def settle(use_cases: UseCases) -> Crawl:
    """Make a crawl that is read whole."""
    stream = use_cases.store.stream(use_cases.store.add(), "assets")
    return use_cases.store.read(stream, [{"adamId": "1", "pricingParam": "STDQ"}])


def age(database: Database, crawl: Crawl, by: timedelta) -> None:
    """Let nothing have moved for so long."""
    with database.write() as connection:
        moved = sa.update(crawls).where(crawls.c.id == crawl.id).values(moved_at=database.now() - by)
        connection.execute(moved)
        connection.execute(sa.text("UPDATE pages SET fetched_at = :at"), {"at": "2020-01-01 00:00:00"})


def test_a_crawl_that_waits_for_its_publish_is_never_failed(use_cases, database):
    """While messages to publish wait, a settled crawl is left alone: no other message, no revival, no failure."""
    crawl = settle(use_cases)
    use_cases.sent.do_wait = True
    for _ in range(20):
        age(database, crawl, timedelta(minutes=5))
        use_cases.reviver.tend()
    found = use_cases.store.crawls.get(crawl.id)
    assert (found.state, found.revivals, use_cases.sent.count("publish")) == (CrawlState.SETTLED, 0, 0)


def test_a_publish_that_was_lost_is_sent_again(use_cases, database):
    """Where no message waits and nobody is at it, a settled crawl is sent again; that is not counted against it."""
    crawl = settle(use_cases)
    for times in range(1, 15):
        age(database, crawl, timedelta(seconds=16))
        use_cases.reviver.tend()
        use_cases.reviver.tend()
        assert use_cases.sent.count("publish") == times
    found = use_cases.store.crawls.get(crawl.id)
    assert (found.state, found.revivals) == (CrawlState.SETTLED, 0)


def test_a_publish_among_many_is_not_lost_for_ever(use_cases, database):
    """Where messages to publish always wait, a settled crawl is sent again once its own must have been taken."""
    crawl = settle(use_cases)
    use_cases.sent.do_wait = True
    age(database, crawl, PUBLISH_LOST)
    use_cases.reviver.tend()
    assert use_cases.sent.count("publish") == 1


def test_tend_does_not_wait_for_a_publish(copied_database, gate):
    """A publish that takes its time is seen and left alone, and nobody who tends waits for what it holds."""
    database = Database(copied_database)
    use_cases = make_use_cases(database, gate)
    crawl = settle(use_cases)
    age(database, crawl, timedelta(minutes=1))
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write() as connection:
            connection.execute(sa.update(crawls).where(crawls.c.id == crawl.id).values(state="published"))
            held.set()
            release.wait(60)

    publishing = threading.Thread(target=hold)
    publishing.start()
    held.wait(10)
    tending = threading.Thread(target=use_cases.reviver.tend)
    tending.start()
    tending.join(10)
    waited = tending.is_alive()
    release.set()
    publishing.join()
    tending.join()
    assert not waited
    assert use_cases.sent.count("publish") == 0
    assert use_cases.store.crawls.get(crawl.id).revivals == 0
    database.close()
