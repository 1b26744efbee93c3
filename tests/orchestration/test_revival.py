"""Tend and publishes: what is read whole waits for its publish, however long, and holds nobody up."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orchestration.decisions.revival import PUBLISH_LOST, REVIVAL_LIMIT
from orchestration.revival import Reviver
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


class _Hurried:
    """A timer by which a second passes between any two looks."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        """Return one second more than before."""
        self._now += 1.0
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


def reviver(use_cases: UseCases, gate, timer) -> Reviver:
    """Return the use case, with a timer of its own."""
    return Reviver(use_cases.store, use_cases.crawler, use_cases.syncer, gate, use_cases.sent, timer)


def test_a_long_tend_keeps_its_claim(use_cases, gate):
    """While it looks after many syncs, its caller is called every second, to keep the chore's claim."""
    for name in ("1", "2", "3"):
        use_cases.syncer.open(use_cases.store.add(name, name), ["assets"], full=False)
    calls: list[str] = []
    reviver(use_cases, gate, _Hurried()).tend(keep=lambda: calls.append("kept"))
    assert calls == ["kept"] * 3


def test_one_broken_sync_stops_no_other(use_cases, database, caplog):
    """A bug with one sync is logged, and the next is looked after; a command that waits for the one gets the error."""
    broken = use_cases.syncer.open(use_cases.store.add("1", "1"), ["assets"], full=False)
    use_cases.syncer.open(use_cases.store.add("2", "2"), ["assets"], full=False)
    with database.write() as connection:
        age = database.now() - timedelta(minutes=5)
        connection.execute(sa.update(crawls).values(moved_at=age))
        connection.execute(sa.update(crawls).where(crawls.c.sync_id == broken).values(forced_by="no reason"))
    sent = use_cases.sent.count("seed")
    use_cases.reviver.tend()
    assert f"Sync {broken} could not be tended." in caplog.text
    assert use_cases.sent.count("seed") == sent + 1
    with pytest.raises(ValueError, match="no reason"):
        use_cases.reviver.tend([broken])


def test_a_crawl_that_is_revived_again_and_again_fails(use_cases, database):
    """Sending the same again does not help for ever: after a number of revivals the crawl fails, and says so."""
    sync_id = use_cases.syncer.open(use_cases.store.add(), ["assets"], full=False)
    for _ in range(REVIVAL_LIMIT + 1):
        with database.write() as connection:
            connection.execute(sa.update(crawls).values(moved_at=database.now() - timedelta(minutes=5)))
        use_cases.reviver.tend()
    [crawl] = use_cases.store.crawls.of_sync(sync_id)
    assert crawl.state is CrawlState.FAILED
    assert "without reaching its end" in (crawl.reason or "")
