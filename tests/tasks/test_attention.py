"""A worker whose database has fallen silent leaves its messages to others, and takes them again when it answers."""

import pytest

from storage.database import Database, open_database
from storage.errors import DatabaseAway
from tasks import attention
from tasks.attention import Attention


class TaskConsumer:
    """The part of Celery's consumer that knows which queues it takes messages from."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)

    def consuming_from(self, name: str) -> bool:
        """Return whether messages of a queue are taken."""
        return name in self.names


class Consumer:
    """Celery's consumer, over a broker that may be away."""

    def __init__(self, *names: str) -> None:
        self.task_consumer: TaskConsumer | None = TaskConsumer(*names)
        self.is_broker_away = False
        self.calls = 0

    def call_soon(self, apply) -> None:
        """Call in the consumer's own thread: here, at once."""
        self.calls += 1
        apply()

    def cancel_task_queue(self, name: str) -> None:
        """Take no more messages of a queue."""
        self._ask()
        assert self.task_consumer is not None
        self.task_consumer.names.discard(name)

    def add_task_queue(self, name: str) -> None:
        """Take messages of a queue."""
        self._ask()
        assert self.task_consumer is not None
        self.task_consumer.names.add(name)

    def _ask(self) -> None:
        if self.is_broker_away:
            raise ConnectionResetError


@pytest.fixture
def database(tmp_path):
    """A database that answers."""
    opened = open_database(f"sqlite:///{tmp_path / 'test.db'}")
    yield opened
    opened.close()


class Worker:
    """A worker whose database can be away, and what looks after it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_away = False
        self.attention = Attention(None, self.find)
        self.queues = set(self.attention._queues)
        self.consumer = Consumer(*self.queues)
        self.attention._consumer = self.consumer

    def find(self) -> Database:
        """Return the database."""
        if self.is_away:
            raise DatabaseAway
        return self._database

    def look(self) -> set[str]:
        """Look after the database once; return from which queues messages are taken."""
        self.attention._turn(is_away=self.attention._is_silent())
        self.attention._follow()
        assert self.consumer.task_consumer is not None
        return set(self.consumer.task_consumer.names)


@pytest.fixture
def worker(database):
    """A worker that takes messages of every queue."""
    return Worker(database)


def test_a_database_that_answers(worker):
    """While the database answers, nothing is asked of the broker."""
    assert worker.look() == worker.queues
    assert worker.consumer.calls == 0


def test_a_database_that_is_away(worker, caplog):
    """Without a database no messages are taken; once it answers, all are taken again, and both are logged once."""
    worker.is_away = True
    for _ in range(3):
        assert worker.look() == set()
    worker.is_away = False
    for _ in range(3):
        assert worker.look() == worker.queues
    assert [record.getMessage() for record in caplog.records] == [
        "The database is silent for this process: it takes no messages until it answers.",
        "The database answers again.",
    ]


def test_what_a_person_cancelled_stays_so(worker):
    """A queue that a person cancelled before is not taken again when the database answers."""
    worker.consumer.task_consumer.names.discard("page")
    worker.is_away = True
    assert worker.look() == set()
    worker.is_away = False
    assert worker.look() == worker.queues - {"page"}


def test_a_broker_that_is_away_too(worker):
    """A queue that the broker could not cancel is cancelled at the next look; one that it could not add, too."""
    worker.is_away, worker.consumer.is_broker_away = True, True
    assert worker.look() == worker.queues
    worker.consumer.is_broker_away = False
    assert worker.look() == set()
    worker.is_away, worker.consumer.is_broker_away = False, True
    assert worker.look() == set()
    worker.consumer.is_broker_away = False
    assert worker.look() == worker.queues


def test_a_consumer_that_is_not_there(worker):
    """Between two connections to the broker there is no consumer: there is nothing to cancel, and no error."""
    consumer, worker.consumer.task_consumer = worker.consumer.task_consumer, None
    worker.is_away = True
    worker.attention._turn(is_away=worker.attention._is_silent())
    worker.attention._follow()
    assert worker.consumer.calls == 0
    worker.consumer.task_consumer = consumer
    assert worker.look() == set()


def test_no_error_ends_it(worker, caplog, monkeypatch):
    """Whatever fails, the database is looked after until the worker stops."""
    looks = []

    def find() -> Database:
        looks.append(1)
        if len(looks) == 3:
            worker.attention.stop()
        raise KeyError("a bug")

    worker.attention._database = find
    monkeypatch.setattr(attention, "LOOK_SECONDS", 0.001)
    worker.attention.run()
    assert len(looks) == 3
    assert {record.getMessage() for record in caplog.records} == {"The database could not be watched."}
