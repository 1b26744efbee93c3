"""The order of locks: what transactions lock, what they leave to others, and that two of them never wait for ever."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from storage.database import Database, open_database
from storage.locks import lock_crawls_of, lock_streams
from storage.schema import crawls, streams
from tests.support.filled_store import FilledStore, make_store


@pytest.fixture
def store(copied_database) -> Iterator[FilledStore]:
    """A store in PostgreSQL with two locations; the assets of the first are being read."""
    opened = open_database(copied_database)
    made = make_store(opened)
    made.add()
    made.add("lab", "2")
    made.open(made.stream(made.location, "assets"))
    yield made
    opened.close()


def is_free(database: Database, table: sa.Table, row_id: int) -> bool:
    """Return whether another transaction can lock a row at once."""
    with database.engine.connect() as connection, connection.begin():
        try:
            connection.execute(sa.select(table.c.id).where(table.c.id == row_id).with_for_update(nowait=True))
        except OperationalError:
            return False
    return True


def test_all_streams_of_a_location(store):
    """Whoever changes several streams of a location locks all of them, and none of another location."""
    mine = store.streams.watched(store.location.id)
    others = store.streams.watched(store.locations.named("lab").id)
    with store.database.write() as connection:
        lock_streams(connection, [store.location.id])
        assert not [one for one in mine if is_free(store.database, streams, one.id)]
        assert all(is_free(store.database, streams, one.id) for one in others)
    assert all(is_free(store.database, streams, one.id) for one in mine)


def test_a_crawl_and_its_stream(store):
    """The unfinished crawls of a stream are locked with it; the other streams of its location are not."""
    stream = store.stream(store.location, "assets")
    other = store.stream(store.location, "users")
    [crawl] = store.unfinished()
    with store.database.write() as connection:
        lock_crawls_of(connection, [stream.id])
        assert not is_free(store.database, crawls, crawl.id)
        assert not is_free(store.database, streams, stream.id)
        assert is_free(store.database, streams, other.id)


def test_a_new_crawl_of_a_locked_stream(store):
    """A lock of a stream keeps nobody from adding a row that refers to it: that needs its key alone."""
    stream = store.stream(store.location, "users")
    with store.database.write() as connection:
        lock_streams(connection, [store.location.id])
        with store.database.engine.connect() as another, another.begin():
            found = sa.select(streams.c.id).where(streams.c.id == stream.id)
            statement = found.with_for_update(nowait=True, read=True, key_share=True)
            assert another.scalar(statement) == stream.id


def test_two_orders_are_one(store):
    """Transactions that name locations and streams in opposite orders take turns, and none is ended as a deadlock."""
    locations = [store.location.id, store.locations.named("lab").id]
    ids = [one.id for location in locations for one in store.streams.watched(location)]
    errors: list[BaseException] = []
    begin = threading.Barrier(2)

    def work(step: int) -> None:
        try:
            for _ in range(30):
                begin.wait(30)
                with store.database.write() as connection:
                    lock_crawls_of(connection, ids[::step])
                    lock_streams(connection, locations[::step])
        except Exception as error:  # noqa: BLE001 - whatever it is: the test shows it
            errors.append(error)
            begin.abort()

    threads = [threading.Thread(target=work, args=(step,)) for step in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
