"""The types of columns mean the same on both databases."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from storage.sql import Carried, Document, Identity, Key, Moment, insert_or, own_columns, pick

_THINGS = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", Identity, primary_key=True),
    sa.Column("name", Key, unique=True),
    sa.Column("at", Moment),
    sa.Column("document", Document),
    sa.Column("carried", Carried),
)


@dataclass(frozen=True)
class _Thing:
    name: str
    at: datetime | None
    elsewhere: int = 0


@pytest.fixture
def things(database):
    """A table with every type, beside our own."""
    with database.write() as connection:
        _THINGS.create(connection)
    return database


def keep(things, **values) -> None:
    """Insert a row."""
    with things.write() as connection:
        connection.execute(sa.insert(_THINGS).values(**values))


def read(things, *columns):
    """Return the only row's columns."""
    with things.read() as connection:
        return connection.execute(sa.select(*columns)).one()


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=-7)), ZoneInfo("Asia/Kathmandu")], ids=["UTC", "west", "half an hour"]
)
def test_a_moment_is_in_utc(things, zone):
    """A moment that was stored in any zone is read as the same moment, in UTC."""
    moment = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=zone)
    keep(things, name="a", at=moment)
    [found] = read(things, _THINGS.c.at)
    assert found == moment
    assert found.utcoffset() == timedelta()


def test_no_moment(things):
    """No moment is none on both databases."""
    keep(things, name="a", at=None)
    assert read(things, _THINGS.c.at) == (None,)


def test_moments_are_compared(things):
    """Moments of several zones are compared as moments, and not as they are written."""
    for hour, zone in ((10, timezone(timedelta(hours=5))), (8, UTC)):
        keep(things, name=str(hour), at=datetime(2026, 1, 1, hour, tzinfo=zone))
    with things.read() as connection:
        order = connection.scalars(sa.select(_THINGS.c.name).order_by(_THINGS.c.at)).all()
    assert list(order) == ["10", "8"]


def test_documents_are_compared(things):
    """A document is equal to one with the same content, whatever the order and the spaces in which it was written."""
    keep(things, name="a", document={"one": [1, 2], "two": None})
    with things.read() as connection:
        found = connection.scalar(sa.select(_THINGS.c.document))
    assert found == {"two": None, "one": [1, 2]}
    keep(things, name="b", document=None)
    with things.read() as connection:
        empty = connection.scalar(sa.select(_THINGS.c.name).where(_THINGS.c.document.is_(None)))
    assert empty == "b"


def test_carried_json_is_as_it_came(things):
    """JSON that is only carried keeps its spaces and the order of its fields."""
    text = '{ "b": 1,  "a": 2 }'
    keep(things, name="a", carried=text)
    assert read(things, _THINGS.c.carried) == (text,)


def test_keys_are_ordered_byte_by_byte(things):
    """Keys have one order on both databases: of bytes, and not of a language."""
    names = ["a", "B", "ä", "Z", "_", "10", "9"]
    for name in names:
        keep(things, name=name)
    with things.read() as connection:
        found = connection.scalars(sa.select(_THINGS.c.name).order_by(_THINGS.c.name)).all()
    assert list(found) == sorted(names, key=str.encode)


def test_numbers_count_up(things):
    """A row that names no number gets the next one."""
    for name in ("a", "b"):
        keep(things, name=name)
    with things.read() as connection:
        assert list(connection.scalars(sa.select(_THINGS.c.id).order_by(_THINGS.c.id))) == [1, 2]


def test_what_is_there_is_left_or_written_over(things):
    """A row whose key is there is skipped or updated, as the statement says, and in one statement."""
    dialect = things.engine.dialect.name
    with things.write() as connection:
        for carried in ("first", "second"):
            new = insert_or(dialect, _THINGS).values(name="a", carried=carried)
            connection.execute(new.on_conflict_do_nothing())
    assert read(things, _THINGS.c.carried) == ("first",)
    with things.write() as connection:
        new = insert_or(dialect, _THINGS).values(name="a", carried="third")
        connection.execute(new.on_conflict_do_update(index_elements=["name"], set_={"carried": new.excluded.carried}))
    assert read(things, _THINGS.c.carried) == ("third",)


def test_a_row_becomes_a_dataclass(things):
    """The fields of a dataclass that are columns are read from a row; others are left to the caller."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    keep(things, name="a", at=moment)
    columns = own_columns(_Thing, _THINGS)
    assert set(columns) == {"name", "at"}
    assert _Thing(**pick(read(things, *_THINGS.c), columns)) == _Thing(name="a", at=moment)
