"""Prepared statements: what the driver alone returns is what SQLAlchemy returns for the same statement."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from apple.notices import Notice
from storage import limits, locations, locks, notices, prepared
from storage.database import Database
from storage.errors import DatabaseAway
from storage.ledger import crawls, pages, streams, syncs
from storage.ledger.pages import Content, PageFact
from storage.mirror import publication
from storage.prepared import Prepared
from storage.schema import crawls as crawls_table
from storage.schema import locations as locations_table
from storage.schema import pages as pages_table
from storage.schema import streams as streams_table
from storage.schema import syncs as syncs_table
from storage.schema import wants as wants_table
from storage.states import Cause, CrawlKind, PageOutcome, Reason, Trigger, Trouble
from tests.support.filled_store import FilledStore

MODULES = (crawls, limits, locations, locks, notices, pages, publication, streams, syncs)

#: Every prepared statement, by its name.
STATEMENTS = {
    f"{module.__name__.rsplit('.', 1)[-1]}.{name.strip('_').lower()}": statement
    for module in MODULES
    for name, statement in vars(module).items()
    if isinstance(statement, Prepared)
}
READING = [name for name, one in STATEMENTS.items() if isinstance(one.form("sqlite"), sa.Select)]
WRITING = [name for name, one in STATEMENTS.items() if not isinstance(one.form("sqlite"), sa.Select)]

#: These call functions that SQLite does not have.
OF_POSTGRESQL = ("limits.allow", "publication.lock")

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
    """Open a crawl with a page in which every column has a value, and two in which few have; return both."""
    stream = store.stream(store.add(), "assignments")
    crawl_id = store.open(stream).crawl_id
    store.pages.store(crawl_id, FULL, Content(body=b"\x00\xffbody", cursor="c%u:r?", seconds=0.25))
    store.pages.store(crawl_id, PageFact(index=1, round=0, outcome=PageOutcome.STORED))
    store.pages.store(crawl_id, PageFact(index=2, round=0, outcome=PageOutcome.STORED, version="v1", total=7))
    store.streams.want(stream.location_id, ["assignments"], MOMENT)
    store.notices.store([Notice(id="n1", type="TEST", uid="1", body="{}")])
    return stream, crawl_id


def parameters_of(name: str, store: FilledStore, stream, crawl_id: int) -> dict[str, object]:
    """Return a value of each parameter that any statement has, for this one to be of effect."""
    crawl = store.crawls.get(crawl_id)
    of = {"crawls.of_sync": crawl.sync_id, "locations.of_uid": crawl.uid, "notices.unhandled_of": crawl.uid}
    of |= dict.fromkeys(("streams.got", "streams.locked", "publication.update_stream"), stream.id)
    of |= dict.fromkeys(("streams.watched_of", "streams.due_of", "streams.last_begun", "streams.wants_of"), 1)
    of |= dict.fromkeys(("syncs.of_id", "syncs.lock", "syncs.end", "syncs.hand_over", "syncs.step_on"), crawl.sync_id)
    of |= dict.fromkeys(("syncs.open_of", "syncs.forget_sent"), stream.location_id)
    return {
        "of": of.get(name, crawl_id),
        "crawl": crawl_id,
        "stream": stream.id,
        "these": [stream.id, stream.id + 1],
        "paged": ["assets", "users"],
        "place": 0,
        "floor": 0,
        "least": 0,
        "end": 10,
        "apart": [5, 6],
        "now": MOMENT.replace(year=2100),
        "too_old": MOMENT.replace(year=2100 if name == "syncs.expire" else 2000),
        "statement": "20s",
        "lock": "10s",
        "base": "v9",
        "seen_round": 0,
        "seen_revivals": 0,
        "seen_step": 0,
        "seen_at": crawl.moved_at,
        "seen_total": 9,
        "seen_version": "v9",
        "first_version": "v1",
        "another_reread": 1,
        "another_revival": 1,
        "same_kind": CrawlKind.FULL,
        "same_since": None,
    }


#: The values that columns get.
VALUES: dict[str, dict[str, object]] = {
    "crawls.forget_base": {},
    "crawls.fail": {"reason": "Gone: ünïcode.", "trouble": Trouble.AWAY, "error": None},
    "crawls.settle": {"is_consistent": True, "version": "v1", "total": 2, "scopes": [{"adam_id": "1"}]},
    "crawls.update_stream": {"problem": "It is gone.", "full_wanted": Reason.ASKED},
    "publication.update_crawl": {"is_consistent": False, "ended_at": MOMENT},
    "publication.update_stream": {"proof_digest": b"\x00\xff", "published_at": MOMENT},
    "syncs.update_stream": {"begun_at": MOMENT, "due_at": None},
    "syncs.take_over": {"forced_by": Reason.ASKED},
    "pages.store": vars(FULL) | vars(Content(body=b"1")) | {"index": 3, "crawl_id": 1, "fetched_at": MOMENT},
    "syncs.join": {"location_id": 1, "wanted": ["assets"], "opened_at": MOMENT, "begun_by": Trigger.NOTICE},
    "syncs.open": {"id": 99, "sync_id": 1, "stream_id": 6, "opened_at": MOMENT, "moved_at": MOMENT, "scopes": None},
}

#: What is as it has to be before a statement is of effect.
BEFORE = {
    "crawls.send_again": "UPDATE crawls SET state = 'settled'",
    "publication.publish": "UPDATE crawls SET state = 'settled'",
    "crawls.forget_base": "UPDATE streams SET version = 'v9'",
    "syncs.end": "UPDATE crawls SET state = 'published'",
    "syncs.expire": "UPDATE crawls SET moved_at = '1999-01-01'",
    "syncs.forget_sent": "UPDATE locations SET sent_at = added_at",
    "syncs.reopen": "UPDATE crawls SET state = 'failed', trouble = 'away', ended_at = opened_at",
    "syncs.hand_over": "UPDATE crawls SET state = 'published'",
    "pages.complete": "UPDATE pages SET same_as = 1 WHERE outcome = 'stored'",
}


def executed(name: str, parameters, database: Database, run):
    """Execute a statement in a transaction that is undone; return its rows, and what every table held after it."""

    class Undone(Exception):
        pass

    rows = after = None

    def execute() -> None:
        nonlocal rows, after
        with database.write() as connection:
            if name in BEFORE:
                connection.exec_driver_sql(BEFORE[name])
            before = held(connection)
            rows, after = run(connection, parameters), held(connection)
            assert after != before, "the statement is of no effect"
            raise Undone

    with pytest.raises(Undone):
        execute()
    return rows, after


def held(connection: sa.Connection):
    """Return what the tables hold."""
    tables = (locations_table, streams_table, crawls_table, pages_table, syncs_table, wants_table)
    return [
        [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))] for table in tables
    ]


def named(form, rows):
    """Return rows of SQLAlchemy as those of a prepared statement."""
    return [{column: row._mapping[column] for column in form.exported_columns} for row in rows]


@pytest.mark.parametrize("name", READING)
def test_reads_what_sqlalchemy_reads(name, store: FilledStore, database: Database):
    """Each column has the value, of the type, that SQLAlchemy gives it."""
    if name in OF_POSTGRESQL and not database.is_postgresql:
        pytest.skip("its functions are PostgreSQL's")
    stream, crawl_id = filled(store)
    statement = STATEMENTS[name]
    form = statement.form(database.engine.dialect.name)
    wanted = parameters_of(name, store, stream, crawl_id)
    parameters = {name: wanted[name] for name in form.compile().params if name in wanted}
    with database.once() as connection:
        expected = named(form, connection.execute(form, parameters).all())
    rows = database.fetch(statement, parameters)
    assert rows
    assert rows == expected
    assert list(map(types, rows)) == list(map(types, expected))


@pytest.mark.parametrize("name", WRITING)
def test_writes_what_sqlalchemy_writes(name, store: FilledStore, database: Database):
    """Each table holds afterwards what it holds after SQLAlchemy, and the same rows are returned."""
    stream, crawl_id = filled(store)
    statement = STATEMENTS[name]
    form = statement.form(database.engine.dialect.name)
    wanted = parameters_of(name, store, stream, crawl_id)
    columns = VALUES.get(name, {"moved_at": MOMENT} if name.startswith("crawls.") else {})
    parameters = {name: wanted[name] for name in form.compile().params if name in wanted} | columns

    def by_sqlalchemy(connection, parameters):
        result = connection.execute(form, parameters)
        return named(form, result.all()) if result.returns_rows else []

    expected = executed(name, parameters, database, by_sqlalchemy)
    assert executed(name, parameters, database, statement.run) == expected


def test_no_statement_is_left_out():
    """Every module that has prepared statements is one of those whose statements are compared."""
    folder = Path(prepared.__file__).parent
    having = {
        file.stem for file in folder.rglob("*.py") if re.search(r"^_\w+ = Prepared\(", file.read_text(), re.MULTILINE)
    }
    assert having == {module.__name__.rsplit(".", 1)[-1] for module in MODULES}


def test_a_connection_keeps_its_cursor_but_not_many_rows(copied_database):
    """Statements share a cursor, which keeps the rows of the last: after many of them the next has another."""
    database = Database(copied_database)
    few = Prepared(sa.select(sa.literal(1).label("one")))
    many = Prepared(sa.select(sa.func.generate_series(1, 200)))
    database.fetch(few, {})
    with database.once() as connection:
        cursor = connection.connection.info["cursor"]
    database.fetch(few, {})
    with database.once() as connection:
        assert connection.connection.info["cursor"] is cursor
    assert len(database.fetch(many, {})) == 200
    with database.once() as connection:
        assert "cursor" not in connection.connection.info
    database.close()


def test_lists_of_each_length_are_read(store: FilledStore, database: Database):
    """A list has as many places as it has values, each time anew; an empty one matches nothing."""
    filled(store)
    table = sa.select(streams_table.c.id).where(streams_table.c.id.in_(sa.bindparam("these", expanding=True)))
    statement = Prepared(table.order_by(streams_table.c.id), lists=("these",))
    for these in ([1], [1, 3], [], [2, 3, 1], [3]):
        assert [row[streams_table.c.id] for row in database.fetch(statement, {"these": these})] == sorted(these)


def test_a_list_that_is_not_named_is_refused(database: Database):
    """What would be executed with the values of its first call for ever is not executed at all."""
    statement = Prepared(
        sa.select(streams_table.c.id).where(streams_table.c.id.in_(sa.bindparam("these", expanding=True)))
    )
    with pytest.raises(TypeError, match="these"):
        database.fetch(statement, {"these": [1]})


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
    outcomes = [one.outcome for one in store.pages.facts(crawl_id)]
    assert outcomes == [PageOutcome.TRYING, PageOutcome.STORED, PageOutcome.STORED]
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


def test_a_transaction_that_was_cut_is_told_as_away(copied_database):
    """A server that ends a transaction between two of its prepared statements is away; the next one has another."""
    database = Database(copied_database)
    statement = Prepared(sa.select(sa.literal(1).label("one")))

    def write() -> None:
        with database.write() as connection:
            statement.run(connection, {})
            with psycopg.connect(copied_database, autocommit=True) as other:
                mine = "datname = current_database() AND pid <> pg_backend_pid()"
                other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")
            statement.run(connection, {})

    with pytest.raises(DatabaseAway):
        write()
    with database.write() as connection:
        assert [list(row.values()) for row in statement.run(connection, {})] == [[1]]
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
