"""Notices are stored many at a time, and a broker that is down delays no answer."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from redis import Redis

from apple.notices import Notice
from entrypoints.web.webhook import intake as module
from entrypoints.web.webhook.intake import Full, Intake
from orchestration.metrics import Metrics, MetricsStore
from storage.errors import DatabaseAway

AWAY = MetricsStore(Redis.from_url("redis://127.0.0.1:9", retry=None))


def notice(number: int = 1, uid: str = "1") -> Notice:
    """Make a notice."""
    return Notice(uid=uid, id=str(number), type="ASSET_COUNT", body="{}")


class Database:
    """A database that stores when it is let."""

    def __init__(self) -> None:
        self.transactions: list[Sequence[Notice]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.error: Exception | None = None

    def __call__(self, some: Sequence[Notice]) -> int:
        """Store notices."""
        self.entered.set()
        self.open.wait(30)
        if self.error is not None:
            raise self.error
        self.transactions.append(some)
        return len(some)


@pytest.fixture
def database() -> Database:
    """A database that is there."""
    return Database()


def make_intake(database: Database, tell=lambda _: None) -> Intake:
    """Make an intake that tells of every notice."""
    return Intake(database, tell, lambda _: True, Metrics(), AWAY)


async def keep_all(intake: Intake, numbers: range) -> list[object]:
    """Keep some notices side by side, and return what came of each."""
    return list(await asyncio.gather(*(intake.keep(notice(one)) for one in numbers), return_exceptions=True))


async def let_wait(intake: Intake, count: int) -> None:
    """Let other tasks run until this many notices wait."""
    while intake._waiting.qsize() < count:  # noqa: ASYNC110 - a queue of threads has no event to await
        await asyncio.sleep(0)


def test_what_waits_is_one_transaction(database):
    """Notices that come while one is being stored are stored together after it."""
    intake = make_intake(database)
    intake.start()

    async def run() -> list[object]:
        database.open.clear()
        first = asyncio.create_task(intake.keep(notice(0)))
        await asyncio.to_thread(database.entered.wait, 10)
        rest = asyncio.create_task(keep_all(intake, range(1, 100)))
        await let_wait(intake, 99)
        database.open.set()
        await first
        return await rest

    assert asyncio.run(run()) == [None] * 99
    intake.stop()
    assert [len(one) for one in database.transactions] == [1, 99]


def test_an_error_reaches_everyone_who_waits(database):
    """If a transaction fails, each notice of it is refused, and the next ones are stored again."""
    intake = make_intake(database)
    intake.start()
    database.error = DatabaseAway()
    outcomes = asyncio.run(keep_all(intake, range(3)))
    database.error = None
    assert asyncio.run(keep_all(intake, range(1))) == [None]
    intake.stop()
    assert {type(one) for one in outcomes} == {DatabaseAway}


def test_too_many_are_refused(database, monkeypatch):
    """While the database is slow, no more notices wait than memory is meant for."""
    monkeypatch.setattr(module, "PENDING_LIMIT", 10)
    intake = make_intake(database)
    intake.start()

    async def run() -> list[object]:
        database.open.clear()
        first = asyncio.create_task(intake.keep(notice()))
        await asyncio.to_thread(database.entered.wait, 10)
        rest = asyncio.create_task(keep_all(intake, range(15)))
        await let_wait(intake, 10)
        database.open.set()
        await first
        return await rest

    outcomes = asyncio.run(run())
    intake.stop()
    assert [type(one) for one in outcomes].count(Full) == 5


def test_its_end_stores_what_waits(database):
    """A receiver that is stopped stores what it has taken, and refuses nothing that it had."""
    intake = make_intake(database)

    async def run() -> list[object]:
        waiting = asyncio.create_task(keep_all(intake, range(20)))
        await let_wait(intake, 20)
        intake.start()
        await asyncio.to_thread(intake.stop)
        return await waiting

    assert asyncio.run(run()) == [None] * 20
    assert sum(map(len, database.transactions)) == 20


def test_a_broker_that_is_down_delays_nothing(database, caplog):
    """If no sync can be queued, the notice is kept all the same, and that is logged without the error's words."""
    told = threading.Event()

    def tell(uid: str) -> None:
        told.set()
        raise ConnectionError("amqp://user:secret@host", uid)

    intake = make_intake(database, tell)
    intake.start()
    assert asyncio.run(keep_all(intake, range(1))) == [None]
    assert told.wait(10)
    intake.stop()
    intake._threads[1].join(10)
    assert "No sync could be queued for a notice (ConnectionError)" in caplog.text
    assert "secret" not in caplog.text


def test_one_location_is_queued_once(database):
    """Many notices of one location queue one sync."""
    told: list[str] = []
    done = threading.Event()

    def tell(uid: str) -> None:
        told.append(uid)
        done.set()

    intake = make_intake(database, tell)
    database.open.clear()
    intake.start()

    async def run() -> None:
        waiting = asyncio.create_task(keep_all(intake, range(50)))
        await asyncio.to_thread(database.entered.wait, 10)
        database.open.set()
        await waiting

    asyncio.run(run())
    assert done.wait(10)
    intake.stop()
    assert 1 <= len(told) <= 2
