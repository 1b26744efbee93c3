"""The database: PostgreSQL or SQLite behind three doors, `once`, `read` and `write`."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import datetime
from importlib.resources import files
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import conninfo
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from apple.deadline import Deadlines

from .clock import AskedClock, Clock, SystemClock
from .drivers import meaning_of
from .errors import DatabaseAway, DatabaseTooNew, WrongAddress, WrongDatabase
from .limits import CONNECTION, DEADLINE_SECONDS, Use, allow, limit_openings, prepare_session
from .prepared import Prepared, Row
from .views.installation import create_views, drop_views

_MIGRATIONS = "storage.migrations.versions"

#: The revisions of the schema that this code knows, oldest first; the last is what `schema.py` describes.
REVISIONS = tuple(sorted(file.name[:4] for file in files(_MIGRATIONS).iterdir() if file.name[:4].isdecimal()))

#: How long a writer waits for another one; SQLite has one writer at a time.
BUSY_SECONDS = 60.0

#: A connection to SQLite keeps this many prepared statements: all that there are.
_STATEMENTS_CACHED = 512

#: The upserts with RETURNING that the ledger is made of.
_SQLITE_LEAST = (3, 35, 0)

#: How long to wait for a connection of the pool.
_POOL_SECONDS = 10.0

#: A server that takes longer for `SELECT 1` is silent.
_SILENT_SECONDS = 3

#: A migration may rewrite every table.
_MIGRATION_SECONDS = 3_600.0

#: The advisory lock of a migration: of two processes that start together, one migrates.
_MIGRATION_LOCK = 7_305_117


class Database:
    """An engine, and the two ways to use it: reading, and writing in a transaction that takes its lock at once."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.engine = _make_engine(url)
        self.is_postgresql = self.engine.dialect.name == "postgresql"
        # SQLite's readers see one state by themselves; PostgreSQL's would see another with each statement.
        self._one_state = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" if self.is_postgresql else "BEGIN"
        self._writing = "BEGIN" if self.is_postgresql else "BEGIN IMMEDIATE"
        self._watch = Deadlines()
        if self.is_postgresql:
            limit_openings(self.engine, self._watch)
        self._clock = clock or (AskedClock(self._ask_time) if self.is_postgresql else SystemClock())

    def now(self) -> datetime:
        """Return the time by the database's clock; a file has none but its host's."""
        return self._clock.now()

    @contextmanager
    def once(self) -> Iterator[sa.Connection]:
        """Yield a connection for one statement, which is a transaction by itself: a third of the round trips."""
        with _translating(), self.engine.connect() as connection, self._over(_driver(connection), DEADLINE_SECONDS):
            yield connection

    def fetch(self, statement: Prepared, parameters: Mapping[str, Any]) -> list[Row]:
        """Execute a prepared statement, which is a transaction by itself, and return its rows."""
        with _translating(), closing(self.engine.raw_connection()) as pooled:
            if not self.is_postgresql:
                return statement.fetch(pooled, self.engine.dialect, parameters)
            with self._dropping(pooled), self._over(pooled.driver_connection, DEADLINE_SECONDS):
                return statement.fetch(pooled, self.engine.dialect, parameters)

    @contextmanager
    def read(self, seconds: float = DEADLINE_SECONDS) -> Iterator[sa.Connection]:
        """Yield a connection for reading: one state of the data for as long as the block lasts."""
        with _translating(), self._transaction(self._one_state, seconds) as connection:
            yield connection

    @contextmanager
    def write(self, seconds: float = DEADLINE_SECONDS) -> Iterator[sa.Connection]:
        """Yield a connection for writing; it commits when the block ends without an error.

        On SQLite the transaction begins with the write lock: one that reads first and writes later fails at once when
        another wrote in between, whatever the time-out.
        """
        with _translating(), self._transaction(self._writing, seconds) as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def longest_use(self) -> float:
        """Return the age in seconds of the oldest use under way; 0 where there is none."""
        return self._watch.longest()

    def is_silent(self) -> bool:
        """Return whether the server does not respond to a new connection. A server that refuses one does respond."""
        if not self.is_postgresql:
            return False
        arguments, options = self.engine.dialect.create_connect_args(self.engine.url)
        options = {**CONNECTION, **options, "connect_timeout": _SILENT_SECONDS, "autocommit": True}
        try:
            driver: Any = psycopg.connect(*arguments, **options)
        except psycopg.errors.ConnectionTimeout:
            return True
        except psycopg.Error:
            return False
        use = Use(ends=time.monotonic() + _SILENT_SECONDS, connection=driver)
        with self._watch.over(use), suppress(psycopg.Error):
            driver.execute("SELECT 1")
            driver.close()
        return use.was_cut

    @contextmanager
    def _transaction(self, begin: str, seconds: float) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction; neither driver begins one by itself."""
        with self.engine.connect() as connection, self._over(_driver(connection), seconds), connection.begin():
            with self._dropping(connection.connection) if self.is_postgresql else nullcontext():
                _driver(connection).execute(begin)
            yield connection

    @contextmanager
    def _dropping(self, pooled: sa.PoolProxiedConnection) -> Iterator[None]:
        """Drop a connection whose driver, used by itself, raises an error: nobody may use it as it is then."""
        driver: Any = pooled.driver_connection
        try:
            yield
        except BaseException:
            pooled.invalidate()
            if driver.closed:  # the server ended it, and most likely all others as well
                self.engine.dispose()
            raise

    @contextmanager
    def _over(self, driver: Any, seconds: float) -> Iterator[None]:
        """Cut off a use of a connection that takes longer; SQLite has no connection that could fall silent."""
        if not self.is_postgresql:
            yield
            return
        use = Use(ends=time.monotonic() + seconds, connection=driver)
        try:
            with self._watch.over(use):
                yield
        except Exception as error:
            if not use.was_cut:
                raise
            raise DatabaseAway(f"(a use of it was not over after {seconds:g} s, and was cut off)") from error

    def _ask_time(self) -> datetime:
        with self.once() as connection:
            moment: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            return moment


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


def open_database(url: str, clock: Clock | None = None) -> Database:
    """Open a database and bring its schema up to date; one written by a newer Pageturner is refused."""
    database = Database(url, clock)
    try:
        _refuse_encoding(database)
        _bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return database


def _bring_up_to_date(database: Database) -> None:
    revision = _revision(database)
    if revision == REVISIONS[-1]:
        return
    if revision is not None and revision not in REVISIONS:
        raise DatabaseTooNew(f"(its schema is {revision}; this one knows up to {REVISIONS[-1]})")
    _migrate(database)


def _refuse_encoding(database: Database) -> None:
    if not database.is_postgresql:
        return
    with database.once() as connection:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        words = "names are of all languages. Make another with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        raise WrongDatabase(f"Its encoding is {encoding}, and {words}")


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return revision


def _migrate(database: Database) -> None:
    from alembic import command
    from alembic.config import Config

    with database.write(_MIGRATION_SECONDS) as connection:
        if database.is_postgresql:
            allow(connection, _MIGRATION_SECONDS)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        config = Config()
        config.set_main_option("script_location", "storage:migrations")
        config.attributes["connection"] = connection
        readers = drop_views(connection)
        command.upgrade(config, "head")
        create_views(connection, readers)


def _make_engine(url: str) -> sa.Engine:
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise WrongAddress("It is not of the form postgresql://… or sqlite:///….") from None
    if parsed.drivername == "postgresql+psycopg":
        return _make_postgresql(parsed)
    if parsed.get_backend_name() != "sqlite":
        raise WrongDatabase(f"It is {parsed.get_backend_name()}; Pageturner keeps its data in PostgreSQL or SQLite.")
    if sqlite3.sqlite_version_info < _SQLITE_LEAST:
        raise WrongDatabase(f"This Python brings SQLite {sqlite3.sqlite_version}; 3.35 is the least.")
    arguments = {"timeout": BUSY_SECONDS, "cached_statements": _STATEMENTS_CACHED}
    options: dict[str, Any] = {"pool_size": 20, "max_overflow": 20, "connect_args": arguments}
    if not parsed.database:  # it lives as long as its one connection
        options = {"poolclass": sa.StaticPool, "connect_args": arguments | {"check_same_thread": False}}
    engine = sa.create_engine(parsed, hide_parameters=True, **options)  # what is stored names people
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _make_postgresql(url: sa.URL) -> sa.Engine:
    options = {name: value for name, value in CONNECTION.items() if name not in url.query}
    _refuse_options(url)
    engine = sa.create_engine(
        url,
        pool_size=20,
        max_overflow=20,
        pool_timeout=_POOL_SECONDS,
        pool_reset_on_return=None,  # `_end_transaction` does it, without a statement where none is needed
        hide_parameters=True,
        connect_args=options,
    )
    sa.event.listen(engine, "connect", prepare_session)
    sa.event.listen(engine, "reset", _end_transaction)
    return engine


def _end_transaction(driver: Any, *_: Any) -> None:
    """Roll back what a connection that is given back to the pool left open; `Database` ends every transaction."""
    if driver.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        driver.rollback()


def _refuse_options(url: sa.URL) -> None:
    """Refuse options that no connection could be made with, before one is tried."""
    options = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    try:
        conninfo.timeout_from_conninfo(conninfo.conninfo_to_dict(conninfo.make_conninfo(**options)))
    except psycopg.ProgrammingError as error:
        raise WrongAddress(f"({str(error).strip()})") from None


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.create_function("lower", 1, _lower, deterministic=True)  # its own knows ASCII alone
    connection.isolation_level = None  # the driver must not begin transactions by itself: `read` and `write` do
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text


@contextmanager
def _translating() -> Iterator[None]:
    """Raise errors of ours in the place of the drivers'."""
    try:
        yield
    except PoolExhausted as error:
        raise DatabaseAway("(all connections of this process are in use)") from error
    except DBAPIError as error:
        translated = meaning_of(error.orig, is_lost=error.connection_invalidated)
        if translated is None:
            raise
        raise translated from error
    except (psycopg.Error, sqlite3.Error) as error:  # COPY raises them as they are
        translated = meaning_of(error)
        if translated is None:
            raise
        raise translated from error
