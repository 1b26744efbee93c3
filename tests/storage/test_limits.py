"""What the database may take: nobody waits for one that fell silent, for a lock, or for somebody who vanished."""

import threading
import time
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa

from storage import limits
from storage.database import Database, open_database
from storage.drivers import meaning_of
from storage.errors import DatabaseAway, DatabaseFull, RefusedByDatabase, WrongDatabase
from storage.ledger.streams import lock_stream
from storage.limits import allow
from storage.mirror.publication import Publisher
from tests.support.filled_store import make_store
from tests.support.proxy import proxied
from tests.support.servers import make_database


def test_a_database_that_falls_silent(copied_database):
    """A use of a connection that nobody answers ends at its deadline, and the next one is as good as any."""
    with proxied(copied_database) as (proxy, url):
        database = Database(url)
        with database.read() as connection:
            connection.execute(sa.text("SELECT 1"))
        proxy.fall_silent()
        begun = time.monotonic()
        with pytest.raises(DatabaseAway, match=r"after 0\.5 s"), database.read(seconds=0.5) as connection:
            connection.execute(sa.text("SELECT 1"))
        assert time.monotonic() - begun < 10
        proxy.speak()
        with database.read() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
        database.close()


def test_a_connection_that_falls_silent_at_its_beginning(copied_database, monkeypatch):
    """What is asked on a new connection before anybody uses it has a deadline too."""
    monkeypatch.setattr(limits, "OPENING_SECONDS", 0.5)
    with proxied(copied_database) as (proxy, url):
        database = Database(url)
        sa.event.listen(database.engine, "connect", lambda *_: proxy.fall_silent(), insert=True)
        begun = time.monotonic()
        with pytest.raises(DatabaseAway), database.once():
            pass
        assert time.monotonic() - begun < 10
        assert database.is_silent()
        proxy.speak()
        assert not database.is_silent()
        proxy.refuse()
        assert not database.is_silent()
        database.close()


def test_a_sync_opens_beside_a_publish(copied_database):
    """While one stream of a location is published, others of it begin to be read at once."""
    store = make_store(open_database(copied_database))
    location = store.add()
    with store.database.write() as publishing:
        lock_stream(publishing, store.stream(location, "users").id)
        begun = time.monotonic()
        opened = store.open(store.stream(location, "assets"))
        assert time.monotonic() - begun < 5
    assert opened
    store.database.close()


def test_a_lock_that_does_not_come_free(copied_database):
    """A lock is waited for no longer than the transaction allows, and that goes by itself."""
    database = Database(copied_database)
    with database.write() as holding:
        holding.execute(sa.text("UPDATE feed SET seq = seq"))
        with pytest.raises(DatabaseAway, match="lock timeout"):
            wait(database)
    database.close()


def wait(database: Database) -> None:
    """Wait for the feed's row, for a second."""
    with database.write() as connection:
        allow(connection, 2.0)
        connection.execute(sa.text("UPDATE feed SET seq = seq"))


def test_every_session_has_its_limits(copied_database):
    """No session waits for ever: for a lock, for a statement, or for a client that vanished in a transaction."""
    database = Database(copied_database)
    with database.read() as connection:
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            assert connection.scalar(sa.text(f"SHOW {name}")) not in {"0", ""}
        assert int(connection.scalar(sa.text("SELECT setting FROM pg_settings WHERE name = 'tcp_keepalives_idle'"))) > 0
    database.close()


def test_a_host_that_vanishes_in_a_publish(copied_database):
    """Whoever stops in the middle of a transaction loses what he holds, and others go on."""
    database = Database(copied_database)
    with pytest.raises(DatabaseAway):
        vanish(database)
    database.close()


def vanish(database: Database) -> None:
    """Hold the feed's row and say nothing any more, while somebody else takes it."""
    with database.write() as vanished:
        vanished.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = '500ms'"))
        vanished.execute(sa.text("UPDATE feed SET seq = seq"))
        with database.write() as other:
            other.execute(sa.text("UPDATE feed SET seq = seq"))
        vanished.execute(sa.text("SELECT 1"))


def test_a_second_publish_leaves_at_once(copied_database):
    """A publish of a crawl that is being published is none."""
    database = Database(copied_database)
    store = make_store(database)
    stream = store.stream(store.add(), "assets")
    crawl = store.read(stream, [{"adamId": "1", "pricingParam": "STDQ"}])
    seen = []

    def judge(*_):
        raise AssertionError

    with database.write() as connection:
        connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(crawl.stream_id)))
        thread = threading.Thread(target=lambda: seen.append(Publisher(database).publish(crawl, judge)))
        thread.start()
        thread.join(10)
        assert seen == [None]
    database.close()


class Told(psycopg.Error):
    """An error of the server's, as the driver gives it."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("its own words\nDETAIL: jane@example.com")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("57P01", DatabaseAway),  # an operator ended it
        ("53300", DatabaseAway),  # too many connections
        ("40P01", DatabaseAway),  # a deadlock
        ("55P03", DatabaseAway),  # a lock that did not come free
        ("25P03", DatabaseAway),  # idle in a transaction
        ("08006", DatabaseAway),  # the connection broke
        ("53100", DatabaseFull),  # the disk is full
        ("25006", DatabaseFull),  # it may only be read
        ("54000", RefusedByDatabase),  # a row too large for its index
        ("22003", RefusedByDatabase),  # a number out of range
        ("42501", WrongDatabase),  # no right
    ],
)
def test_what_passes_by_itself(sqlstate, kind):
    """Only what passes by itself is away; the rest is told to a person, and none of it names a person."""
    meaning = meaning_of(Told(sqlstate))
    assert type(meaning) is kind
    assert "its own words" in str(meaning)
    assert "jane" not in str(meaning)


def test_a_mistake_of_ours_is_none_of_these():
    """A statement that is wrong is a bug, and not said to be anything else."""
    assert meaning_of(Told("42703")) is None


def test_the_time_is_the_databases(database):
    """The time that moments are given is the database's, asked now and then."""
    with database.once() as connection:
        moment = connection.scalar(sa.select(sa.func.current_timestamp()))
    if database.is_postgresql:
        assert abs(database.now() - moment) < timedelta(seconds=5)
    assert database.now() <= database.now()


def test_an_encoding_that_loses_names(postgresql_url):
    """A database that does not keep all languages is refused, with what to do."""
    url = make_database(postgresql_url, "ascii", encoding="SQL_ASCII")
    with pytest.raises(WrongDatabase, match=r"SQL_ASCII.*ENCODING 'UTF8'"):
        open_database(url)
