"""Fingerprints: where few records differ, they alone are read again; what does not prove itself is compared whole."""

import contextlib

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apple.answers import pack
from storage.database import Database, open_database
from storage.mirror import publication
from storage.mirror.tables import MIRRORS
from storage.schema import pages
from tests.support.filled_store import FilledStore, make_store

from .test_proof import FOUR, ONE, THREE, TWO, assignment, first_load, proof_of

MIRROR = MIRRORS["assignments"].table


@pytest.fixture
def whole(monkeypatch):
    """The ways by which publishes went that compared everything."""
    went: list[str] = []
    compare = publication._Publication._compare

    def note(self, judge):
        went.append(self._crawl.resource)
        return compare(self, judge)

    monkeypatch.setattr(publication._Publication, "_compare", note)
    return went


@pytest.fixture
def store(copied_database):
    """A store on PostgreSQL, which alone compares by fingerprints."""
    with contextlib.closing(open_database(copied_database)) as opened:
        yield make_store(opened)


@pytest.fixture
def database(store: FilledStore) -> Database:
    """Its database."""
    return store.database


def stored(database: Database) -> dict[str, int | None]:
    """Read the fingerprint of each row of the mirror."""
    with database.read() as connection:
        return dict(connection.execute(sa.select(MIRROR.c.serial_number, MIRROR.c.fingerprint)).all())


def test_few_records_differ(store: FilledStore, whole):
    """Inserts, updates and deletes are found by fingerprints alone, and are what they are."""
    stream, _ = first_load(store)
    changes = store.publish(store.read(stream, [ONE, FOUR], [{**THREE, "userStatus": "Associated"}])).changes
    assert (changes.inserted, changes.updated, changes.deleted) == (1, 1, 1)
    assert store.mirror(stream) == [ONE, {**THREE, "userStatus": "Associated"}, FOUR]
    assert whole == []


def test_only_pages_that_differ_are_read(store: FilledStore, database: Database, whole):
    """The body of a page whose records the mirror all has is not read, wherever in the list they were before."""
    stream, _ = first_load(store)
    again = store.read(stream, [FOUR], [THREE, TWO])
    with database.write() as connection:
        here = (pages.c.crawl_id == again.id) & (pages.c.index == 1)
        connection.execute(sa.update(pages).where(here).values(body=b"spoiled"))
    changes = store.publish(again).changes
    assert (changes.inserted, changes.updated, changes.deleted) == (1, 0, 1)
    assert store.mirror(stream) == [TWO, THREE, FOUR]
    assert whole == []


@pytest.mark.parametrize(
    "lists",
    [
        pytest.param([[ONE, TWO], [THREE, ONE]], id="the same record on two pages"),
        pytest.param([[ONE, TWO], [ONE]], id="the same record in the place of another"),
        pytest.param([[ONE, TWO, FOUR], [THREE, FOUR]], id="a new record twice"),
        pytest.param([[ONE, TWO], [THREE, {**ONE, "userStatus": "Retired"}]], id="a record, and what it became"),
        pytest.param(
            [[{**ONE, "userStatus": "a"}], [{**ONE, "userStatus": "b"}, TWO]], id="a record that changes twice"
        ),
    ],
)
def test_a_record_that_is_shown_twice(store: FilledStore, database: Database, whole, lists):
    """Such pages are not of one moment: all is compared, nothing is deleted, and they are no proof."""
    stream, _ = first_load(store)
    assert store.publish(store.read(stream, *lists)).changes.deleted == 0
    assert whole == ["assignments"]
    assert proof_of(database, stream) is None
    assert {one["serialNumber"] for one in store.mirror(stream)} >= {"S1", "S2", "S3"}


def test_many_records_differ(store: FilledStore, whole, monkeypatch):
    """Where too many differ to hold their places in memory, all are compared."""
    monkeypatch.setattr(publication, "_MOST_UNLIKE", 1)
    stream, _ = first_load(store)
    changes = store.publish(store.read(stream, [FOUR, assignment(5)])).changes
    assert (changes.inserted, changes.deleted) == (2, 3)
    assert store.mirror(stream) == [FOUR, assignment(5)]
    assert whole == ["assignments"]


@pytest.mark.parametrize("missing", ["of the mirror", "of a page"])
def test_fingerprints_that_an_older_version_did_not_store(store: FilledStore, database: Database, whole, missing):
    """Where some are missing, all is compared, nothing changes that did not, and the mirror has them afterwards."""
    stream, _ = first_load(store)
    before = stored(database)
    again = store.read(stream, [ONE, TWO], [THREE, FOUR])
    with database.write() as connection:
        if missing == "of the mirror":
            connection.execute(sa.update(MIRROR).values(fingerprint=None))
        else:
            connection.execute(sa.update(pages).where(pages.c.index == 0).values(fingerprints=None))
    changes = store.publish(again).changes
    assert (changes.inserted, changes.updated, changes.deleted) == (1, 0, 0)
    assert whole == ["assignments"]
    after = stored(database)
    assert None not in after.values()
    assert before.items() <= after.items()
    store.publish(store.read(stream, [THREE, TWO], [ONE, FOUR]))
    assert whole == ["assignments"]


def test_a_first_load_that_shows_a_record_twice(store: FilledStore, database: Database, whole):
    """Its rows do not go into the mirror as they come: the record that was fetched last is kept, and it is no proof."""
    last = {**ONE, "userStatus": "b"}
    stream, _ = first_load(store, "assignments", [{**ONE, "userStatus": "a"}, TWO], [last])
    assert store.mirror(stream) == sorted([last, TWO], key=str)
    assert whole == ["assignments"]
    assert proof_of(database, stream) is None


SIZE = sa.text("SELECT reltuples FROM pg_class WHERE relname = 'mirror_assignments'")


def test_a_large_load_is_counted(store: FilledStore, monkeypatch):
    """PostgreSQL knows the size of a mirror right after a large first load, and not only when it comes by."""
    monkeypatch.setattr(publication, "_MANY", 3)
    first_load(store)
    with store.database.read() as connection:
        assert connection.scalar(SIZE) == 3


def test_a_large_load_during_a_vacuum(store: FilledStore, database: Database, monkeypatch):
    """A load does not wait for a vacuum of the mirror's table, nor fail for one: then it is not counted."""
    monkeypatch.setattr(publication, "_MANY", 3)
    with database.write() as vacuum:
        vacuum.exec_driver_sql("LOCK TABLE mirror_assignments IN SHARE UPDATE EXCLUSIVE MODE")
        stream, _ = first_load(store)
    assert store.mirror(stream) == [ONE, TWO, THREE]


def test_an_older_worker_leaves_fingerprints(store: FilledStore, database: Database, whole):
    """A row whose record was written without its fingerprint is found, given its own, and is no change."""
    stream, _ = first_load(store)
    with database.write() as connection:
        connection.execute(sa.update(MIRROR).where(MIRROR.c.serial_number == "S1").values(fingerprint=7))
    changes = store.publish(store.read(stream, [ONE, TWO], [THREE, FOUR])).changes
    assert (changes.inserted, changes.updated, changes.deleted) == (1, 0, 0)
    assert whole == ["assignments"]
    assert 7 not in stored(database).values()


_LISTS = st.lists(
    st.lists(
        st.builds(
            lambda number, status: assignment(number, userStatus=status), st.integers(0, 8), st.sampled_from("ab")
        ),
        max_size=4,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=_LISTS, then=_LISTS)
def test_any_two_readings(numbered_store, first, then):
    """Whatever the pages show, the mirror has it: exactly that if no key came twice, and else at least that."""
    store, number = numbered_store
    stream = store.stream(store.add(f"n{next(number)}", str(next(number))), "assignments")
    for lists in (first, then):
        before = {one["serialNumber"] for one in store.mirror(stream)}
        store.publish(store.read(stream, *lists))
        shown = [one for some in lists for one in some]
        keys = [one["serialNumber"] for one in shown]
        mirrored = store.mirror(stream)
        last = {one["serialNumber"]: one for one in shown}
        kept = {one["serialNumber"]: one for one in mirrored}
        assert {key: kept.get(key) for key in last} == last
        assert set(kept) == (set(keys) if len(set(keys)) == len(keys) else before | set(keys))


@pytest.fixture(params=["postgresql", "sqlite"])
def numbered_store(request, tmp_path):
    """A store on either database, and numbers for its locations."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    url = request.getfixturevalue("copied_database") if request.param == "postgresql" else url
    with contextlib.closing(open_database(url)) as opened:
        yield make_store(opened), iter(range(10_000))


def test_a_body_is_what_is_staged(store: FilledStore, database: Database, whole):
    """If a body is not the one that the fingerprints are of, all is compared as it is."""
    stream, _ = first_load(store)
    again = store.read(stream, [ONE, TWO], [FOUR])
    with database.write() as connection:
        here = (pages.c.crawl_id == again.id) & (pages.c.index == 1)
        connection.execute(sa.update(pages).where(here).values(body=pack(b'{"assignments": []}')))
    assert store.publish(again).changes.deleted == 1
    assert whole == ["assignments"]
    assert store.mirror(stream) == [ONE, TWO]
