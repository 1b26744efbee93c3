"""The difference: what a crawl read, compared with what the mirror holds, before anything is written."""

from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from storage.mirror.difference import Difference, apply_difference
from storage.mirror.stage import Stage
from storage.mirror.tables import MIRRORS
from storage.schema import crawls
from storage.schema import pages as pages_of
from tests.support.filled_store import make_store

ASSETS = MIRRORS["assets"]


def asset(number: int, **more: object) -> dict[str, object]:
    """Make an asset."""
    return {"adamId": str(number), "pricingParam": "STDQ", "totalCount": 5} | more


def retired(email: str = "a@example.com") -> dict[str, object]:
    """Make a retired user, who has no identifier of his own: equal ones are as many users."""
    return {"clientUserId": "", "email": email, "status": "Retired"}


@pytest.fixture
def store(database):
    """A store with a location, whose mirror holds three assets."""
    made = make_store(database)
    made.add()
    made.publish(made.read(made.stream(made.location, "assets"), [asset(1), asset(2), asset(3)]))
    return made


@contextmanager
def compared(store, resource: str, *pages: list[dict[str, object]], is_complete: bool = True):
    """Compare a crawl of these pages with the mirror; nothing of it is kept."""
    crawl = store.read(store.stream(store.location, resource), *pages, version="v2")
    mirror = MIRRORS[resource]
    with store.database.write() as connection:
        stage = Stage(connection, mirror)
        stage.fill(crawl)
        stage.unify()
        difference = Difference(connection, mirror, store.location.id)
        difference.compare(stage, sa.true() if is_complete else None)
        yield difference
        difference.drop()
        stage.drop()
        connection.execute(sa.delete(pages_of).where(pages_of.c.crawl_id == crawl.id))
        connection.execute(sa.delete(crawls).where(crawls.c.id == crawl.id))  # otherwise the next goes on from it


def test_nothing_differs(store):
    """The same records in another order, on other pages, are no difference."""
    with compared(store, "assets", [asset(3)], [asset(1), asset(2)]) as difference:
        assert (difference.counts(), difference.lost()) == ({}, 0)


def test_each_operation_is_counted(store):
    """A new record is an insert, another content an update, and what is missing from a complete reading a delete."""
    with compared(store, "assets", [asset(1), asset(2, totalCount=6), asset(4)]) as difference:
        assert difference.counts() == {"insert": 1, "update": 1, "delete": 1}
        assert difference.lost() == 1


def test_only_a_complete_reading_deletes(store):
    """A list of changes names what changed: what it leaves out is still there."""
    with compared(store, "assets", [asset(2, totalCount=6)], is_complete=False) as difference:
        assert difference.counts() == {"update": 1}
        assert difference.lost() == 0


def test_what_would_be_deleted_has_a_digest(store):
    """Two readings that would delete the same have the same digest, whatever else they change; others have another."""
    with compared(store, "assets", [asset(1)]) as one:
        first = one.digest()
    with compared(store, "assets", [asset(1, totalCount=9), asset(8)]) as two:
        assert two.digest() == first
    with compared(store, "assets", [asset(1), asset(2)]) as three:
        assert three.digest() != first


def test_deletes_are_held(store):
    """A difference whose deletes are held has everything else."""
    with compared(store, "assets", [asset(1, totalCount=6), asset(4)]) as difference:
        difference.hold()
        assert difference.counts() == {"insert": 1, "update": 1}
        assert difference.lost() == 0


def test_equal_records_are_counted(store):
    """Three equal retired users who become one are an update of one row, which removes two records."""
    stream = store.stream(store.location, "users")
    store.publish(store.read(stream, [retired(), retired(), retired()]))
    with compared(store, "users", [retired()]) as fewer:
        assert (fewer.counts(), fewer.lost()) == ({"update": 1}, 2)
    with compared(store, "users", [retired()] * 5) as more:
        assert (more.counts(), more.lost()) == ({"update": 1}, 0)


def test_fewer_of_some_is_held_like_a_delete(store):
    """A number that falls is a removal: held, it stays as it was."""
    stream = store.stream(store.location, "users")
    store.publish(store.read(stream, [retired(), retired(), retired("b@example.com")]))
    with compared(store, "users", [retired(), retired("c@example.com")]) as difference:
        assert difference.lost() == 2
        difference.hold()
        assert difference.counts() == {"insert": 1}


def test_what_was_before_is_kept(store):
    """An update and a delete carry the record as it was; an insert has none."""
    with compared(store, "assets", [asset(1), asset(2, totalCount=6), asset(4)]) as difference:
        table = difference.table
        rows = difference._connection.execute(sa.select(table.c.op, table.c.before)).all()
    before = dict(rows)
    assert before["insert"] is None
    assert '"totalCount":5' in before["update"].replace(" ", "")
    assert '"adamId":"3"' in before["delete"].replace(" ", "")


def test_it_is_applied(store):
    """Applied, the difference makes the mirror what was read, and touches no row that is the same."""
    crawl = store.read(store.stream(store.location, "assets"), [asset(1), asset(2, totalCount=6), asset(4)])
    with store.database.write() as connection:
        stage = Stage(connection, ASSETS)
        stage.fill(crawl)
        difference = Difference(connection, ASSETS, store.location.id)
        difference.compare(stage, sa.true())
        apply_difference(connection, ASSETS, store.location.id, difference.table)
        kept = connection.execute(sa.select(ASSETS.table.c.adam_id, ASSETS.table.c.total_count)).all()
    assert sorted(tuple(row) for row in kept) == [("1", 5), ("2", 6), ("4", 5)]


def test_other_locations_are_left_alone(store):
    """The records of another location are no part of any difference, not even where they have the same keys."""
    other = store.add("lab", "2")
    store.publish(store.read(store.stream(other, "assets"), [asset(1), asset(9)]))
    with compared(store, "assets", [asset(1), asset(2), asset(3)]) as difference:
        assert difference.counts() == {}
