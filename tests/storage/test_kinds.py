"""What each kind of crawl may do to the mirror: a delta deletes nothing, a spot nothing but its own."""

import msgspec
import sqlalchemy as sa

from apple.answers import pack
from storage.ledger.crawls import Scope
from storage.ledger.pages import AGAIN, END, Content, PageFact
from storage.ledger.syncs import Wanted
from storage.mirror.counts import Counts, Disagreement, Look, Moves
from storage.states import CrawlKind, PageOutcome
from tests.apple.test_resources import RECORDS
from tests.support.filled_store import LONG_AGO, FilledStore

DELTA = CrawlKind.DELTA


def assignment(number: int, adam_id: str = "1", **more) -> dict[str, object]:
    """Make an assignment."""
    return {"adamId": adam_id, "pricingParam": "STDQ", "serialNumber": f"S{number}", **more}


def delta(store: FilledStore, stream, *lists, **more):
    """Make a settled delta of some pages."""
    stream = store.streams.get(stream.id)
    return store.read(stream, *lists, wanted=Wanted(stream=stream, kind=DELTA, since=stream.version), **more)


def test_every_resource_has_its_mirror(store: FilledStore):
    """Each resource is published under its own key, and changed by it."""
    location = store.add()
    record: dict[str, object]
    for name, record in RECORDS.items():
        stream = store.stream(location, name)
        more = {"batchToken": "b"} if name in {"licenses", "legacy-users"} else {}
        crawl = store.read(stream, [record], **more)
        assert store.publish(crawl).changes.inserted == 1
        assert store.mirror(stream) == [record]
        assert store.publish(store.read(stream, [record | {"novelty": 1}], version="v2", **more)).changes.updated == 1
        keys = [change.key for change in store.feed.after(0) if change.resource == name]
        assert keys[0] == keys[1]


def test_a_number_is_a_text(store: FilledStore):
    """An Adam id is a text in every table, though some come as numbers; the record keeps Apple's way."""
    location = store.add()
    stream = store.stream(location, "subscriptions")
    store.publish(store.read(stream, [RECORDS["subscriptions"]]))
    with store.database.read() as connection:
        rows = connection.execute(sa.text("SELECT adam_id, parent_adam_id FROM mirror_subscriptions")).all()
    assert rows == [("6450000002", "6450000001")]


def test_a_delta_deletes_nothing(store: FilledStore):
    """A delta inserts and updates, moves the version, and leaves the rest as it is."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2)]))
    published = store.publish(delta(store, stream, [assignment(3), assignment(2, idHash="h")], version="v2"))
    assert (published.changes.inserted, published.changes.updated, published.changes.deleted) == (1, 1, 0)
    after = store.streams.get(stream.id)
    assert (after.version, after.complete_version, after.records) == ("v2", "v1", 3)


def test_a_torn_delta_keeps_its_base(store: FilledStore):
    """What moved between the pages of a delta is asked for again: the next goes on from the same version."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1)]))
    store.publish(delta(store, stream, [assignment(2)], version="v2", consistent=False))
    assert store.streams.get(stream.id).version == "v1"
    twice = [assignment(3)], [assignment(3)]
    store.publish(delta(store, stream, *twice, version="v3"))
    assert store.streams.get(stream.id).version == "v1"
    assert len(store.mirror(stream)) == 3


def test_a_delta_of_users(store: FilledStore):
    """A delta touches active users alone, and a retired one wants all of them read."""
    stream = store.stream(store.add(), "users")
    old: dict[str, object] = {"clientUserId": "a", "status": "Retired"}
    active: dict[str, object] = {"clientUserId": "a", "status": "Associated"}
    store.publish(store.read(stream, [old, old, active]))
    store.publish(delta(store, stream, [active | {"email": "new"}, old], version="v2"))
    assert store.mirror(stream) == [active | {"email": "new"}, old, old]
    assert store.streams.get(stream.id).full_wanted == "retired users"


def test_a_spot_deletes_its_own(store: FilledStore):
    """A spot settles the assets that it read whole, and leaves the others, and the versions, alone."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2), assignment(3, "2"), assignment(4, "3")]))
    scopes = tuple(
        Scope(adam_id=adam_id, pricing_param="STDQ", is_consistent=adam_id != "2", total=1) for adam_id in "12"
    )
    stream = store.streams.get(stream.id)
    crawl_id = store.open(stream, Wanted(stream=stream, kind=CrawlKind.SPOT, scopes=scopes)).crawl_id
    store.keep(crawl_id, "assignments", [assignment(1)], [assignment(2)])  # the second page is no more
    crawl = store.crawls.get(crawl_id)
    assert store.crawls.settle(crawl, is_consistent=True, version=None, total=None, scopes=scopes)
    published = store.publish(store.crawls.get(crawl_id))
    assert (published.changes.inserted, published.changes.deleted) == (0, 1)
    assert store.mirror(stream) == [assignment(1), assignment(3, "2"), assignment(4, "3")]
    after = store.streams.get(stream.id)
    assert (after.version, after.complete_version, after.records) == ("v1", "v1", 3)


def batches(store: FilledStore, stream, first, again, *others, consistent=True, version="v1"):
    """Make a settled crawl of batches whose first answer was asked for again."""
    crawl_id = store.open(stream).crawl_id
    store.keep(crawl_id, "licenses", first, *others, version=version, batchToken="b")
    body = pack(msgspec.json.encode({"licenses": again, "batchToken": "b"}))
    fact = PageFact(index=AGAIN, round=2, outcome=PageOutcome.STORED, total=1 + len(others), records=len(again))
    store.pages.store(crawl_id, fact, Content(body=body))
    body = pack(msgspec.json.encode({"licenses": others[-1], "sinceModifiedToken": "t"}))
    end = PageFact(index=END, round=2, outcome=PageOutcome.STORED, total=1 + len(others), records=len(others[-1]))
    store.pages.store(crawl_id, end, Content(body=body))
    crawl = store.crawls.get(crawl_id)
    assert store.crawls.settle(crawl, is_consistent=consistent, version=version, total=1 + len(others))
    return store.crawls.get(crawl_id)


def test_the_first_answer_as_it_was_asked_for_again(store: FilledStore):
    """What the first answer says when asked again counts, whether or not it is batch 1 as well."""
    stream = store.stream(store.add(), "licenses")
    old, *new = ({"licenseIdStr": str(number)} for number in range(5))
    store.publish(batches(store, stream, [old, *new[:1]], new[:2], new[:2], new[2:]))
    assert store.mirror(stream) == new
    assert store.streams.get(stream.id).complete_version == "v1"
    twice = batches(store, stream, new[:1], new[:1], new[1:2], new[1:2], version="v2")
    assert store.publish(twice).changes.deleted == 0
    assert store.streams.get(stream.id).complete_version == "v1"


def test_a_torn_reading_keeps_both_first_answers(store: FilledStore):
    """Torn, each of the two may hold what slipped past the other."""
    stream = store.stream(store.add(), "licenses")
    one, two, three = ({"licenseIdStr": str(number)} for number in range(3))
    store.publish(batches(store, stream, [one], [two], [three], consistent=False))
    assert store.mirror(stream) == [one, two, three]


def test_an_asset_that_is_gone(store: FilledStore):
    """Assignments of an asset that Apple no longer lists are counted as none."""
    location = store.add()
    store.publish(
        store.read(store.stream(location, "assets"), [{"adamId": "1", "pricingParam": "STDQ", "assignedCount": 1}])
    )
    store.publish(store.read(store.stream(location, "assignments"), [assignment(1), assignment(2, "2")]))
    assert [(one.adam_id, one.counted, one.listed) for one in Counts(store.database).differing(location.id)] == [
        ("2", 0, 1)
    ]


def test_counts(store: FilledStore):
    """An asset whose count is not the number of its assignments is found, and forgotten once they agree."""
    location = store.add()
    counts = Counts(store.database)
    assets = store.stream(location, "assets")
    store.publish(store.read(assets, [{"adamId": "1", "pricingParam": "STDQ", "assignedCount": 2}]))
    unknown: dict[str, object] = {"adamId": "9", "pricingParam": "STDQ"}
    store.publish(store.read(store.stream(location, "assignments"), [assignment(1)]))
    [one] = counts.differing(location.id)
    assert one == Disagreement(adam_id="1", pricing_param="STDQ", counted=2, listed=1)
    look = Look(counted=2, listed=1, attempts=1, again_at=LONG_AGO)
    counts.note(location.id, [Disagreement(**{**vars(one), "last": look})])
    assert counts.known(location.id)[0].last == look
    assert counts.looked_into() == {location.id}
    store.publish(
        store.read(assets, [{"adamId": "1", "pricingParam": "STDQ", "assignedCount": 1}, unknown], version="v2")
    )
    assert counts.differing(location.id) == []
    counts.note_comparison(location.id, Moves(assets=2, assignments=1), [])
    assert counts.is_compared(location.id, Moves(assets=2, assignments=1))
    with store.database.read() as connection:
        assert connection.execute(sa.text("SELECT * FROM disagreements")).all() == []
