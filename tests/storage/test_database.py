"""The database: brought up to date by whoever comes first, and refused where it cannot be used."""

import contextlib
import os
import subprocess

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.database import REVISIONS, Database, open_database
from storage.errors import DatabaseAway, DatabaseTooNew, StorageError, WrongDatabase
from storage.ledger.streams import Streams
from storage.mirror.tables import MIRRORS
from storage.schema import asset_days, feed, metadata
from tests.support.processes import COMMAND


def test_migrations_make_the_schema(database: Database):
    """The migrations, run from nothing, make exactly the tables that the code describes."""
    assert MIRRORS
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_revision_is_known():
    """The code knows every revision that there is."""
    scripts = ScriptDirectory("storage/migrations")
    assert tuple(one.revision for one in reversed(list(scripts.walk_revisions()))) == REVISIONS


def at_revision(url: str, revision: str, *statements: str) -> None:
    """Make a database of an older schema, with what these statements put into it."""
    with contextlib.closing(Database(url)) as old, old.write() as connection:
        config = Config()
        config.set_main_option("script_location", "storage:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_data_of_an_older_schema(postgresql_database, tmp_path):
    """A database of the first version keeps what it holds, and knows when everything was last read."""
    for url in (postgresql_database, f"sqlite:///{tmp_path / 'old.db'}"):
        moment = "'2026-01-02 03:04:05'"
        columns = "location_id, resource, version, complete_version, published_at"
        at_revision(
            url,
            "0001",
            f"INSERT INTO locations (name, uid, token_expires, added_at) VALUES ('hq', '1', {moment}, {moment})",
            f"INSERT INTO streams ({columns}) VALUES (1, 'assets', 'v1', 'v1', {moment})",
            "INSERT INTO streams (location_id, resource, version) VALUES (1, 'users', 'v1')",
        )
        new = open_database(url)
        streams = Streams(new).watched(1)
        new.close()
        assert [(one.resource, one.full_at) for one in streams] == [
            ("assets", streams[0].published_at),
            ("users", None),
        ]


def test_assignments_of_an_older_schema(postgresql_database, tmp_path):
    """The new key of assignments loses no row; no stream has a proof whose pages were stored without fingerprints."""
    kept = "location_id, serial_number, client_user_id, adam_id, pricing_param"
    rows = "(1, 'S1', '', '7', 'STDQ', '{}'), (1, '', 'anna', '7', 'STDQ', '{}'), (2, '', 'anna', '7', 'STDQ', '{}')"
    moment = "'2026-01-02 03:04:05'"
    for url in (postgresql_database, f"sqlite:///{tmp_path / 'old.db'}"):
        at_revision(
            url,
            "0007",
            f"INSERT INTO locations (name, uid, token_expires, added_at) VALUES ('hq', '1', {moment}, {moment})",
            "INSERT INTO streams (location_id, resource, proof_id) VALUES (1, 'assignments', 3)",
            f"INSERT INTO mirror_assignments ({kept}, record) VALUES {rows}",
        )
        with contextlib.closing(open_database(url)) as new, new.read() as connection:
            found = connection.exec_driver_sql(f"SELECT {kept} FROM mirror_assignments ORDER BY 1, 2").all()
            assert found == [(1, "", "anna", "7", "STDQ"), (1, "S1", "", "7", "STDQ"), (2, "", "anna", "7", "STDQ")]
            assert connection.exec_driver_sql("SELECT proof_id FROM streams").scalar() is None
            key = sa.inspect(connection).get_pk_constraint("mirror_assignments")["constrained_columns"]
            assert ", ".join(key) == kept


def test_days_of_an_older_schema(postgresql_database, tmp_path):
    """The days of assets are those of the feed, each with its last change; what the feed has not is as it is now."""

    def change(seq: int, day: str, adam_id: str, assigned: int | None) -> str:
        record = f'{{"adamId": "{adam_id}", "pricingParam": "STDQ", "assignedCount": {assigned}, "totalCount": 9}}'
        before, after = (f"'{record}'", "NULL") if assigned is None else ("NULL", f"'{record}'")
        before = before.replace("None", "5")
        return f"({seq}, '{day}', 1, 'assets', 'update', {before}, {after}, 1)"

    rows = [change(1, "2026-01-02 03:04:05", "7", 1), change(2, "2026-01-02 23:04:05", "7", 2)]
    rows += [change(3, "2026-01-04 03:04:05", "7", None)]
    moment = "'2026-01-02 03:04:05'"
    for url in (postgresql_database, f"sqlite:///{tmp_path / 'old.db'}"):
        at_revision(
            url,
            "0009",
            f"INSERT INTO locations (name, uid, token_expires, added_at) VALUES ('hq', '1', {moment}, {moment})",
            "INSERT INTO changes (seq, at, location_id, resource, op, before, after, crawl_id) VALUES "
            + ", ".join(rows),
            "INSERT INTO mirror_assets (location_id, adam_id, pricing_param, assigned_count, record) "
            "VALUES (1, '8', 'STDQ', 3, '{}')",
        )
        with contextlib.closing(open_database(url)) as new, new.read() as connection:
            found = connection.execute(sa.select(asset_days).order_by(asset_days.c.adam_id, asset_days.c.day)).all()
        assert [(row.adam_id, row.total, row.assigned, row.available) for row in found] == [
            *(("7", 9, 2, 0), ("7", 0, 0, 0)),
            ("8", 0, 3, 0),
        ]
        assert [f"{row.day}" for row in found[:2]] == ["2026-01-02", "2026-01-04"]


def test_a_newer_schema_is_refused(database: Database):
    """A database of a newer Pageturner is left alone."""
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="9999"):
        open_database(database.engine.url.render_as_string(hide_password=False))


def test_several_that_start_together(postgresql_database):
    """Processes that find an empty database at once bring it up to date once."""
    env = os.environ | {"PAGETURNER_DATABASE_URL": postgresql_database}
    processes = [subprocess.Popen([COMMAND, "migrate"], env=env, stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[1] for process in processes] == [b"The database is up to date.\n"] * 4


@pytest.mark.parametrize("url", ["mysql://localhost/x", "nonsense"])
def test_another_database_is_refused(url):
    """What is neither PostgreSQL nor SQLite is refused by name."""
    with pytest.raises(WrongDatabase):
        open_database(url)


def test_a_file_that_is_no_database(tmp_path):
    """A file of another kind is refused, and left as it is."""
    file = tmp_path / "notes.txt"
    file.write_text("These are notes, and no database at all. " * 50)
    with pytest.raises(WrongDatabase):
        open_database(f"sqlite:///{file}")
    assert file.read_text().startswith("These are notes")


def test_a_server_that_is_away():
    """A PostgreSQL that does not answer is away, which may pass."""
    with pytest.raises(DatabaseAway):
        open_database("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")


def test_a_reader_sees_one_state(database: Database):
    """What is written while a block reads is seen by the next block."""
    last = sa.select(feed.c.seq)
    with database.read() as connection:
        before = connection.execute(last).scalar_one()
        with database.write() as writer:
            writer.execute(sa.update(feed).values(seq=feed.c.seq + 1))
        assert connection.scalar(last) == before
    with database.read() as connection:
        assert connection.scalar(last) == before + 1


def test_a_reader_writes_nothing(copied_database):
    """A block that reads cannot write by mistake: PostgreSQL refuses it."""
    with (
        contextlib.closing(Database(copied_database)) as database,
        pytest.raises(StorageError, match="read-only transaction"),
        database.read() as connection,
    ):
        connection.execute(sa.update(feed).values(seq=7))


def test_one_transaction_finds_out_that_connections_were_cut(copied_database):
    """After the server ended all connections of a pool, one transaction fails, and the next has a connection."""
    database = Database(copied_database)
    with database.read(), database.read(), database.write():
        pass
    with psycopg.connect(copied_database, autocommit=True) as other:
        mine = "datname = current_database() AND pid <> pg_backend_pid()"
        other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")
    with pytest.raises(DatabaseAway), database.write():
        pass
    with database.write() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    database.close()
