"""The database: PostgreSQL or SQLite behind three doors, `once`, `read` and `write`."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from .errors import DatabaseAway, DatabaseTooNew, WrongDatabase
from .schema import REVISIONS

#: How long a writer waits for another one; SQLite has one writer at a time.
BUSY_SECONDS = 60.0

#: The upserts with RETURNING that the ledger is made of.
_SQLITE_LEAST = (3, 35, 0)

#: Taken while the schema is brought up to date, so that two processes that start together do not both do it.
_MIGRATION_LOCK = 7_305_117


class Database:
    """An engine, and the two ways to use it: reading, and writing in a transaction that takes its lock at once."""

    def __init__(self, url: str) -> None:
        self.engine = _make_engine(url)
        self._single = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.is_postgresql = self.engine.dialect.name == "postgresql"

    @contextmanager
    def once(self) -> Iterator[sa.Connection]:
        """Give a connection for one statement, which is a transaction by itself: a third of the round trips."""
        with _telling(), self._single.connect() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection for reading: one state of the data for as long as the block lasts."""
        with _telling(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection for writing; commits when the block ends well.

        On SQLite the transaction begins with the write lock: one that reads first and writes later fails at once when
        another wrote in between, whatever the time-out.
        """
        with _telling(), self.engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open a database and bring its schema up to date; one written by a newer Pageturner is refused."""
    database = Database(url)
    try:
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


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return revision


def _migrate(database: Database) -> None:
    from alembic import command
    from alembic.config import Config

    with database.write() as connection:
        if database.is_postgresql:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        config = Config()
        config.set_main_option("script_location", "storage:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _make_engine(url: str) -> sa.Engine:
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise WrongDatabase("PAGETURNER_DATABASE_URL is not of the form postgresql://… or sqlite:///….") from None
    if parsed.drivername == "postgresql+psycopg":
        return sa.create_engine(parsed, pool_size=20, max_overflow=20, hide_parameters=True)
    if parsed.get_backend_name() != "sqlite":
        raise WrongDatabase(f"It is {parsed.get_backend_name()}; Pageturner keeps its data in PostgreSQL or SQLite.")
    if sqlite3.sqlite_version_info < _SQLITE_LEAST:
        raise WrongDatabase(f"This Python brings SQLite {sqlite3.sqlite_version}; 3.35 is the least.")
    options: dict[str, Any] = {"pool_size": 20, "max_overflow": 20, "connect_args": {"timeout": BUSY_SECONDS}}
    engine = sa.create_engine(parsed, hide_parameters=True, **options)  # what is stored names people
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself: _begin_sqlite does
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") == "AUTOCOMMIT":
        return
    writes = options.get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _telling() -> Iterator[None]:
    """Turn the drivers' ways of saying that there is no database into ours."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise DatabaseAway(f"({_short(error)})") from error
    except (psycopg.OperationalError, psycopg.InterfaceError, sqlite3.OperationalError) as error:  # COPY's own way
        raise DatabaseAway(f"({type(error).__name__})") from error
    except PoolExhausted as error:
        raise DatabaseAway("(all connections of this process are in use)") from error
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction):
            raise DatabaseAway(f"({_short(error)})") from error
        if isinstance(error.orig, sqlite3.DatabaseError) and "not a database" in str(error.orig):
            raise WrongDatabase("The file is not an SQLite database.") from None
        raise


def _short(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
