"""Prepared statements: what the driver alone returns is what SQLAlchemy returns for the same statement."""

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
import sqlalchemy as sa

from storage.database import Database
from storage.errors import DatabaseAway
from storage.ledger import crawls, pages, streams, syncs
from storage.ledger.pages import Content, PageFact
from storage.prepared import Prepared
from storage.schema import pages as pages_table
from storage.states import Cause, PageOutcome, Trouble
from tests.support.filled_store import FilledStore

#: Every prepared statement that reads, by its name.
READING = {
    f"{module.__name__.rsplit('.', 1)[-1]}.{name.strip('_').lower()}": statement
    for module in (crawls, pages, streams, syncs)
    for name, statement in vars(module).items()
    if isinstance(statement, Prepared) and isinstance(statement.form("sqlite"), sa.Select)
}

#: A moment that was not written in UTC.
MOMENT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=timezone(timedelta(hours=9)))

#: Every column of a page that may be empty, filled.
FULL = PageFact(
    index=0,
    round=0,
    outcome=PageOutcome.TRYING,
    version="v1",
    total=7,
    next_index=1,
    size=549,
    records=548,
    attempts=3,
    reason="Apple is away: ünïcode and 'quotes'.",
    error="ServerError",
    trying_since=MOMENT,
)


def filled(store: FilledStore):
    """Open a crawl with a page in which every column has a value, and one in which few have; return its ids."""
    stream = store.stream(store.add(), "assignments")
    crawl_id = store.open(stream).crawl_id
    store.pages.store(crawl_id, FULL, Content(body=b"\x00\xffbody", cursor="c%u:r?", seconds=0.25))
    store.pages.store(crawl_id, PageFact(index=1, round=0, outcome=PageOutcome.STORED))
    return stream, crawl_id


@pytest.mark.parametrize("name", READING)
def test_reads_what_sqlalchemy_reads(name, store: FilledStore, database: Database):
    """Each column has the value, of the type, that SQLAlchemy gives it."""
    stream, crawl_id = filled(store)
    statement = READING[name]
    of = {"crawls.of_id": crawl_id, "streams.got": stream.id, "streams.watched_of": stream.location_id}
    wanted = {"crawl": crawl_id, "place": 0, "floor": 0, "of": of.get(name, store.crawls.get(crawl_id).sync_id)}
    form = statement.form(database.engine.dialect.name)
    parameters = {name: wanted[name] for name in form.compile().params if name in wanted}
    with database.once() as connection:
        found = connection.execute(form, parameters).all()
    expected = [{column: row._mapping[column] for column in form.exported_columns} for row in found]
    rows = database.fetch(statement, parameters)
    assert rows
    assert rows == expected
    assert list(map(types, rows)) == list(map(types, expected))


def types(row):
    """Name the type of each value of a row."""
    return {column: type(value) for column, value in row.items()}


def test_a_page_is_stored_as_it_is(store: FilledStore, database: Database):
    """What the prepared statement stores, SQLAlchemy reads: no value is lost or changed."""
    _, crawl_id = filled(store)
    with database.once() as connection:
        row = connection.execute(sa.select(pages_table).where(pages_table.c.index == 0)).one()
    assert {name: getattr(row, name) for name in vars(FULL)} == vars(FULL)
    assert (row.crawl_id, bytes(row.body), row.cursor, row.seconds) == (crawl_id, b"\x00\xffbody", "c%u:r?", 0.25)
    assert (row.trying_since.tzinfo, row.fetched_at.tzinfo) == (UTC, UTC)


def test_an_enumeration_is_stored_by_its_value(store: FilledStore):
    """A page's outcome and a crawl's trouble come back as what they were."""
    _, crawl_id = filled(store)
    assert [one.outcome for one in store.pages.facts(crawl_id)] == [PageOutcome.TRYING, PageOutcome.STORED]
    store.crawls.fail(store.crawls.get(crawl_id), Cause(reason="Gone.", trouble=Trouble.AWAY, error="X"))
    assert store.crawls.get(crawl_id).trouble is Trouble.AWAY


def test_a_connection_that_was_cut_is_replaced(copied_database):
    """After the server ended its connections, one statement finds that out, and the next has another connection."""
    database = Database(copied_database)
    statement = Prepared(sa.select(sa.literal(1).label("one")))
    database.fetch(statement, {})
    with psycopg.connect(copied_database, autocommit=True) as other:
        mine = "datname = current_database() AND pid <> pg_backend_pid()"
        other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")
    with pytest.raises(DatabaseAway):
        database.fetch(statement, {})
    assert [list(row.values()) for row in database.fetch(statement, {})] == [[1]]
    database.close()


def test_a_use_after_it_has_its_transaction(database: Database, store: FilledStore):
    """A connection that served a prepared statement is in a transaction again where one is wanted: it rolls back."""
    location = store.add()
    database.fetch(Prepared(sa.select(sa.literal(1).label("one"))), {})

    class Undone(Exception):
        pass

    def change() -> None:
        with database.write() as connection:
            connection.exec_driver_sql("UPDATE locations SET name = 'changed'")
            raise Undone

    with pytest.raises(Undone):
        change()
    assert store.locations.find(location.uid).name == location.name
