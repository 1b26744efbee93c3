"""Proofs: a full crawl whose pages are those that the mirror was made of is not stored twice, and not compared."""

import msgspec
import pytest
import sqlalchemy as sa

from apple.answers import pack
from storage.database import Database, open_database
from storage.ledger.pages import Content, LostBody, PageFact
from storage.ledger.syncs import Wanted
from storage.mirror.hold import Verdict
from storage.schema import pages, streams
from storage.states import Cause, CrawlKind, PageOutcome, Trouble
from tests.support.filled_store import FilledStore, make_store


def assignment(number: int, **more) -> dict[str, object]:
    """Make an assignment."""
    return {"adamId": "1", "pricingParam": "STDQ", "serialNumber": f"S{number}", **more}


ONE, TWO, THREE, FOUR = map(assignment, range(1, 5))


def first_load(store: FilledStore, resource: str = "assignments", *lists):
    """Publish a first full crawl; return its stream and it."""
    stream = store.stream(store.add(), resource)
    crawl = store.read(stream, *(lists or ([ONE, TWO], [THREE])))
    store.publish(crawl)
    return stream, crawl


def proof_of(database: Database, stream) -> int | None:
    """Read which crawl is the proof of a stream."""
    with database.read() as connection:
        return connection.scalar(sa.select(streams.c.proof_id).where(streams.c.id == stream.id))


def bodies_of(database: Database, crawl) -> list[bool]:
    """Read for each page of a crawl whether its body is stored with it."""
    rows = sa.select(pages.c.body.is_not(None)).where(pages.c.crawl_id == crawl.id).order_by(pages.c.index)
    with database.read() as connection:
        return [bool(one) for one in connection.scalars(rows)]


def spoil(database: Database, crawl) -> None:
    """Make the bodies of a crawl unreadable, so that whoever reads them fails."""
    with database.write() as connection:
        connection.execute(sa.update(pages).where(pages.c.crawl_id == crawl.id).values(body=b"spoiled"))


def test_unchanged_is_neither_stored_nor_read(store: FilledStore, database: Database):
    """A reading of the same pages stores no body, is published without reading any, and leaves the proof as it is."""
    stream, crawl = first_load(store)
    spoil(database, crawl)
    again = store.read(stream, [ONE, TWO], [THREE], version="v2")
    assert bodies_of(database, again) == [False, False]
    published = store.publish(again)
    assert (published.changes.total, published.held) == (0, 0)
    assert store.mirror(stream) == [ONE, TWO, THREE]
    after = store.streams.get(stream.id)
    assert (after.version, after.complete_version, after.records) == ("v2", "v2", 3)
    assert proof_of(database, stream) == crawl.id


def test_some_pages_changed(store: FilledStore, database: Database):
    """Of a reading in which one page differs, that page alone is stored; the whole reading is compared, and exact."""
    stream, crawl = first_load(store)
    again = store.read(stream, [ONE, TWO], [FOUR])
    assert bodies_of(database, again) == [False, True]
    published = store.publish(again)
    assert (published.changes.inserted, published.changes.deleted) == (1, 1)
    assert store.mirror(stream) == [ONE, TWO, FOUR]
    assert proof_of(database, stream) == again.id != crawl.id


def test_a_new_proof_has_its_bodies(store: FilledStore, database: Database):
    """A proof needs no other crawl: the old one's pages may go, and what is read next is compared all the same."""
    stream, crawl = first_load(store)
    again = store.read(stream, [ONE, TWO], [FOUR])
    store.publish(again)
    assert bodies_of(database, again) == [True, True]
    with database.write() as connection:
        connection.execute(sa.delete(pages).where(pages.c.crawl_id == crawl.id))
    store.publish(store.read(stream, [ONE, TWO], [THREE]))
    assert store.mirror(stream) == [ONE, TWO, THREE]


def test_reordered_records_are_compared(store: FilledStore, database: Database):
    """The same records in another order, or on other pages, are no proof: they are compared, and nothing changes."""
    stream, crawl = first_load(store)
    for lists in ([[TWO, ONE], [THREE]], [[ONE], [TWO, THREE]], [[ONE, TWO, THREE]]):
        again = store.read(stream, *lists)
        assert store.publish(again).changes.total == 0
        assert store.mirror(stream) == [ONE, TWO, THREE]
        assert proof_of(database, stream) == again.id != crawl.id


def test_fewer_pages_are_no_proof(store: FilledStore):
    """A reading that ends before the proof does, page for page the same, deletes what followed."""
    stream, _ = first_load(store)
    assert store.publish(store.read(stream, [ONE, TWO])).changes.deleted == 1
    assert store.mirror(stream) == [ONE, TWO]


def test_more_pages_are_no_proof(store: FilledStore):
    """A reading that goes on after the pages of the proof inserts what follows."""
    stream, _ = first_load(store)
    assert store.publish(store.read(stream, [ONE, TWO], [THREE], [FOUR])).changes.inserted == 1
    assert store.mirror(stream) == [ONE, TWO, THREE, FOUR]


def test_a_delta_takes_the_proof_away(store: FilledStore, database: Database):
    """After a delta, a reading of the proof's pages is compared: what the delta brought is undone."""
    stream, _ = first_load(store)
    wanted = Wanted(stream=stream, kind=CrawlKind.DELTA, since="v1")
    store.publish(store.read(stream, [FOUR], wanted=wanted, version="v2"))
    assert proof_of(database, stream) is None
    again = store.read(stream, [ONE, TWO], [THREE], version="v3")
    assert bodies_of(database, again) == [True, True]
    store.publish(again)
    assert store.mirror(stream) == [ONE, TWO, THREE]


def test_a_torn_reading_takes_the_proof_away(store: FilledStore, database: Database):
    """What a torn reading brought is no proof, and is found by the next."""
    stream, _ = first_load(store)
    store.publish(store.read(stream, [ONE, TWO], [FOUR], consistent=False))
    assert proof_of(database, stream) is None
    store.publish(store.read(stream, [ONE, TWO], [THREE], version="v3"))
    assert store.mirror(stream) == [ONE, TWO, THREE]


def test_a_late_answer_to_the_proof(store: FilledStore, database: Database):
    """An answer that takes a page's place after its crawl was published proves nothing: the mirror never had it."""
    stream, crawl = first_load(store)
    others = store.open(store.stream(store.add("other", "2"), "assignments")).crawl_id
    store.keep(others, "assignments", [ONE, FOUR])
    with database.write() as connection:
        late = sa.select(pages.c.body, pages.c.digest, pages.c.fingerprints).where(pages.c.crawl_id == others)
        row = connection.execute(late).one()
        here = (pages.c.crawl_id == crawl.id) & (pages.c.index == 0)
        connection.execute(sa.update(pages).where(here).values(row._asdict()))
    store.publish(store.read(stream, [ONE, FOUR], [THREE]))
    assert store.mirror(stream) == [ONE, THREE, FOUR]


def test_a_late_answer_while_it_is_published(copied_database):
    """A page of another version that comes between two statements of a publish is staged, and makes the crawl torn."""
    database = open_database(copied_database)
    store = make_store(database)
    stream, _ = first_load(store)
    crawl = store.read(stream, [ONE, FOUR], [THREE], version="v2")
    late = PageFact(index=0, round=1, outcome=PageOutcome.STORED, version="v3", records=1)
    body = pack(msgspec.json.encode({"assignments": [ONE]}))
    came: list[bool] = []

    def come(_connection, _cursor, statement, *_) -> None:
        if "TEMPORARY TABLE stage" in statement and not came:
            came.append(store.pages.store(crawl.id, late, Content(body=body)))

    sa.event.listen(database.engine, "before_cursor_execute", come)
    store.publish(crawl)
    assert came == [True]
    assert store.mirror(stream) == [ONE, TWO, THREE]
    assert proof_of(database, stream) is None
    database.close()


def test_a_late_answer_after_the_comparison(store: FilledStore, database: Database):
    """A body that is no longer what a page was compared with is not taken for it: the publish fails, and says so."""
    stream, crawl = first_load(store)
    again = store.read(stream, [ONE, TWO], [FOUR])
    with database.write() as connection:
        here = (pages.c.crawl_id == crawl.id) & (pages.c.index == 0)
        connection.execute(sa.update(pages).where(here).values(digest=b"another"))
    with pytest.raises(LostBody):
        store.publish(again)
    assert store.mirror(stream) == [ONE, TWO, THREE]


def test_held_deletes_take_the_proof_away(store: FilledStore, database: Database):
    """A mirror that keeps what Apple no longer shows is not what the pages show."""
    stream, _ = first_load(store)
    store.publish(store.read(stream, [ONE]), lambda *_: Verdict(may_delete=False, digest="d"))
    assert proof_of(database, stream) is None
    store.publish(store.read(stream, [ONE]))
    assert store.mirror(stream) == [ONE]


def test_a_bug_takes_the_proof_away(store: FilledStore, database: Database):
    """A crawl that failed on a bug leaves nothing to trust; one that failed because Apple was away does."""
    stream, crawl = first_load(store)
    for trouble, proof in ((Trouble.AWAY, crawl.id), (Trouble.BUG, None)):
        failing = store.crawls.get(store.open(stream).crawl_id)
        store.crawls.fail(failing, Cause(reason="Gone.", trouble=trouble, error="X"))
        assert proof_of(database, stream) == proof


def test_fields_that_are_not_known_count(store: FilledStore):
    """A field that Apple added later is part of a page's digest: of which record it is, too."""
    stream, _ = first_load(store, "assignments", [{**ONE, "new": 1}, TWO])
    assert store.publish(store.read(stream, [ONE, {**TWO, "new": 1}])).changes.updated == 2
    assert {one["serialNumber"]: one.get("new") for one in store.mirror(stream)} == {"S1": None, "S2": 1}


def test_equal_records_that_are_counted(store: FilledStore, database: Database):
    """Retired users without an identity are proved as well, by how many of them a page has."""
    gone: dict[str, object] = {"clientUserId": "u", "status": "Retired"}
    stream, _ = first_load(store, "users", [gone, gone])
    again = store.read(stream, [gone, gone])
    assert bodies_of(database, again) == [False]
    assert store.publish(again).changes.total == 0
    store.publish(store.read(stream, [gone]))
    assert store.mirror(stream) == [gone]
