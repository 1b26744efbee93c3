"""The scheduler's chores, in memory: what each of them queues, deletes and mends."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from orchestration.decisions.retry import Postponed
from orchestration.memory.queue import MemoryQueue
from orchestration.scheduler import TICK_EVERY, Scheduler
from storage.closings import Shut
from storage.ledger.pages import PAGES_KEPT
from storage.schema import changes, closings, pages, streams
from storage.states import LocationState
from tests.support.memory import MemoryPlace, make_place

DAY = timedelta(days=1)


@pytest.fixture
def place() -> MemoryPlace:
    """An installation that was synced once."""
    made = make_place(resources=["assets", "users"])
    made.sync()
    return made


def count(place: MemoryPlace, table: sa.Table) -> int:
    """Count the rows of a table."""
    with place.store.database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def pass_time(place: MemoryPlace, by: timedelta) -> None:
    """Let virtual time pass."""
    place.around.clock.sleep(by.total_seconds())


def test_a_tick_syncs_what_is_due(place):
    """A location is synced when its streams are due, and not before; a second tick at once does nothing."""
    scheduler = place.process.use_cases.scheduler
    place.change("users", insert=2)
    pass_time(place, timedelta(hours=1))
    scheduler.tick()
    scheduler.tick()
    assert len(place.around.broker.ready) == 1
    place.run()
    place.assert_exact(["assets", "users"])


def test_a_tick_that_cannot_send_sends_again(place):
    """If the broker refuses, the location is not noted as sent: the next tick queues it."""

    class Refusing(MemoryQueue):
        def sync(self, uid: str) -> None:
            raise ConnectionError(uid)

    pass_time(place, timedelta(hours=1))
    queue = Refusing(place.around.broker, place.process.gate)
    with pytest.raises(ConnectionError):
        Scheduler(place.store, queue, place.process.use_cases.namer).tick()
    pass_time(place, TICK_EVERY)
    place.process.use_cases.scheduler.tick()
    assert [one.task for one in place.around.broker.ready] == ["sync"]


def test_tokens_are_checked_once_a_day(place):
    """Apple is asked about a token once a day, and its answer is stored."""
    scheduler = place.process.use_cases.scheduler
    scheduler.refresh()
    place.run()
    asked = place.store.locations.find(place.location.uid).asked_at
    assert asked is not None
    pass_time(place, timedelta(hours=1))
    scheduler.refresh()
    assert place.around.broker.ready == []
    pass_time(place, DAY)
    scheduler.refresh()
    place.run()
    assert place.store.locations.find(place.location.uid).asked_at > asked


def test_a_refused_token_is_found_without_a_crawl(place):
    """A token that was revoked is marked by its daily check, and not checked again before the next day."""
    scheduler = place.process.use_cases.scheduler
    place.apple.give_token()
    scheduler.refresh()
    place.run()
    found = place.store.locations.find(place.location.uid)
    assert (found.state, found.error) == (LocationState.REVOKED, "TokenRevoked")
    pass_time(place, timedelta(hours=1))
    scheduler.refresh()
    assert place.around.broker.ready == []


def test_a_check_waits_for_apple(place):
    """While Apple is away, or the gate is shut, a check comes again; of a removed location it does nothing."""
    checker, uid = place.process.use_cases.token_checker, place.location.uid
    place.break_("client/config", kind="status", status=503)
    assert checker.refresh(uid) == Postponed(seconds=600.0)
    place.process.gate.shut(uid, 60.0)
    assert checker.refresh(uid) == Postponed(seconds=60.0)
    place.store.locations.remove(place.location.name)
    assert checker.refresh(uid) is None


def test_streams_of_a_wrong_clock_are_mended(place, caplog):
    """A stream that was seen in the future was dated by a host with a wrong clock: it is due now, with a warning."""
    with place.store.database.write() as connection:
        connection.execute(sa.update(streams).values(seen_at=place.store.now() + 400 * DAY))
    place.process.use_cases.scheduler.refresh()
    assert "A clock was wrong: 2 streams" in caplog.text
    assert len(place.store.streams.due(place.location.id, place.store.now())) == 2


def test_a_sweep_deletes_what_is_old(place):
    """Pages, changes and closings go when they are older than they are kept.

    The last crawl of a stream stays, and so do the pages that prove what its mirror has.
    """
    place.store.closings.keep([place.location.uid], Shut(seconds=5.0, step=1, why="too many calls"))
    queue, namer = MemoryQueue(place.around.broker, place.process.gate), place.process.use_cases.namer
    scheduler = Scheduler(place.store, queue, namer, changes_kept=DAY)
    scheduler.sweep()
    assert min(count(place, table) for table in (pages, changes)) > 0
    pass_time(place, PAGES_KEPT + 2 * DAY)
    scheduler.sweep()
    assert [count(place, table) for table in (changes, closings)] == [0, 0]
    with place.store.database.read() as connection:
        proved = set(connection.scalars(sa.select(streams.c.proof_id)))
        assert set(connection.scalars(sa.select(pages.c.crawl_id))) == proved - {None}
    with place.store.database.write() as connection:
        connection.execute(sa.update(streams).values(proof_id=None))
    place.store.pages.sweep(PAGES_KEPT)
    assert count(place, pages) == 0
    assert len(place.store.crawls.of_sync(1)) == 2
    place.assert_exact(["assets", "users"])
