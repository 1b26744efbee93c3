"""Tend and publishes: what is read whole waits for its publish, however long, and holds nobody up."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orchestration.decisions.revival import PUBLISH_LOST, QUIET, Revival, RevivalFacts, decide_revival
from storage.database import Database
from storage.ledger.crawls import Crawl
from storage.schema import CrawlState, crawls

from ..world import Crew, make_crew


@pytest.fixture
def crew(database, gate) -> Crew:
    """The use cases, over either database."""
    return make_crew(database, gate)


def settle(crew: Crew) -> Crawl:
    """Make a crawl that is read whole."""
    stream = crew.store.stream(crew.store.add(), "assets")
    return crew.store.read(stream, [{"adamId": "1", "pricingParam": "STDQ"}])


def age(database: Database, crawl: Crawl, by: timedelta) -> None:
    """Let nothing have moved for so long."""
    with database.write() as connection:
        moved = sa.update(crawls).where(crawls.c.id == crawl.id).values(moved_at=database.now() - by)
        connection.execute(moved)
        connection.execute(sa.text("UPDATE pages SET fetched_at = :at"), {"at": "2020-01-01 00:00:00"})


def test_a_crawl_that_waits_for_its_publish_is_never_failed(crew, database):
    """While messages to publish wait, a settled crawl is left alone: no other message, no revival, no failure."""
    crawl = settle(crew)
    crew.sent.do_wait = True
    for _ in range(20):
        age(database, crawl, timedelta(minutes=5))
        crew.reviving.tend()
    found = crew.store.crawls.get(crawl.id)
    assert (found.state, found.revivals, crew.sent.count("publish")) == (CrawlState.SETTLED, 0, 0)


def test_a_publish_that_was_lost_is_sent_again(crew, database):
    """Where no message waits and nobody is at it, a settled crawl is sent again; that is not counted against it."""
    crawl = settle(crew)
    for times in range(1, 15):
        age(database, crawl, timedelta(seconds=16))
        crew.reviving.tend()
        crew.reviving.tend()
        assert crew.sent.count("publish") == times
    found = crew.store.crawls.get(crawl.id)
    assert (found.state, found.revivals) == (CrawlState.SETTLED, 0)


def test_a_publish_among_many_is_not_lost_for_ever(crew, database):
    """Where messages to publish always wait, a settled crawl is sent again once its own must have been taken."""
    crawl = settle(crew)
    crew.sent.do_wait = True
    age(database, crawl, PUBLISH_LOST)
    crew.reviving.tend()
    assert crew.sent.count("publish") == 1


def test_tend_does_not_wait_for_a_publish(copied_database, gate):
    """A publish that takes its time is seen and left alone, and nobody who tends waits for what it holds."""
    database = Database(copied_database)
    crew = make_crew(database, gate)
    crawl = settle(crew)
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
    tending = threading.Thread(target=crew.reviving.tend)
    tending.start()
    tending.join(10)
    waited = tending.is_alive()
    release.set()
    publishing.join()
    tending.join()
    assert not waited
    assert crew.sent.count("publish") == 0
    assert crew.store.crawls.get(crawl.id).revivals == 0
    database.close()


def test_moments_of_a_wrong_clock_say_nothing(crew, database):
    """A crawl that moved, it seems, in the future is looked after like one that has not moved for long."""
    stream = crew.store.stream(crew.store.add(), "users")
    crawl = crew.store.crawls.get(crew.store.open(stream).crawl_id)
    stillness = RevivalFacts(crawl=crawl, last_page_at=None, has_first_page=False, is_at_gate=False)
    assert decide_revival(stillness, database.now()) is Revival.NOTHING
    assert decide_revival(stillness, crawl.moved_at - timedelta(hours=9)) is Revival.SEED
    assert decide_revival(stillness, crawl.moved_at + QUIET) is Revival.SEED
