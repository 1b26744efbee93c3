"""Publish: what a crawl read becomes what the mirror is, or as much of it as is proven."""

import threading

import msgspec
import pytest

from apple.answers import pack
from storage.ledger.pages import Content, PageFact
from storage.ledger.syncs import Origin
from storage.mirror.hold import Verdict
from storage.states import PageOutcome
from tests.support.filled_store import FilledStore


def assignment(number: int, **more) -> dict[str, object]:
    """Make an assignment."""
    return {"adamId": "1", "pricingParam": "STDQ", "serialNumber": f"S{number}", **more}


def user(name: str, status: str = "Associated", **more) -> dict[str, object]:
    """Make a user."""
    return {"clientUserId": name, "status": status, **more}


def test_the_first_load(store: FilledStore):
    """Everything that was read is in the mirror, and in the feed as an insert."""
    stream = store.stream(store.add(), "assignments")
    published = store.publish(store.read(stream, [assignment(1), assignment(2)], [assignment(3)]))
    assert (published.changes.inserted, published.changes.updated, published.changes.deleted) == (3, 0, 0)
    assert store.mirror(stream) == [assignment(1), assignment(2), assignment(3)]
    assert [(change.seq, change.op) for change in store.feed.after(0)] == [(1, "insert"), (2, "insert"), (3, "insert")]


def test_nothing_changed(store: FilledStore):
    """What is as it was is not written, and not in the feed."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2)]))
    published = store.publish(store.read(stream, [assignment(2)], [assignment(1)]))
    assert (published.changes.inserted, published.changes.updated, published.changes.deleted) == (0, 0, 0)
    assert len(list(store.feed.after(0))) == 2


def test_each_kind_of_change(store: FilledStore):
    """An insert, an update and a delete are told apart, with what was and what is."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2)]))
    published = store.publish(store.read(stream, [assignment(2, userStatus="Retired"), assignment(3)]))
    assert (published.changes.inserted, published.changes.updated, published.changes.deleted) == (1, 1, 1)
    changes = {change.op: change for change in store.feed.after(2)}
    assert changes["update"].before == assignment(2)
    assert changes["update"].after == assignment(2, userStatus="Retired")
    assert changes["delete"].key == assignment(1)
    assert changes["delete"].after is None
    assert changes["insert"].before is None


def test_torn_deletes_nothing(store: FilledStore):
    """What a torn crawl did not see is still there; what it saw is taken."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2)]))
    published = store.publish(store.read(stream, [assignment(2), assignment(3)], consistent=False, version="v2"))
    assert published.changes.deleted == 0
    assert store.mirror(stream) == [assignment(1), assignment(2), assignment(3)]
    after = store.streams.get(stream.id)
    assert (after.version, after.complete_version, after.full_wanted) == ("v1", "v1", "torn")


def test_a_record_that_came_twice_makes_it_torn(store: FilledStore):
    """Two pages with one record are of two moments, whatever their versions say: nothing is deleted."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2)]))
    published = store.publish(store.read(stream, [assignment(2)], [assignment(2, userStatus="Retired")]))
    assert published.changes.deleted == 0
    assert store.mirror(stream) == [assignment(1), assignment(2, userStatus="Retired")]


def test_a_page_that_comes_after_the_decision(store: FilledStore):
    """A page of another moment, stored after the crawl was settled, makes it torn: nothing is deleted."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2)], [assignment(3)]))
    crawl = store.read(stream, [assignment(1), assignment(2)], [assignment(3)])
    late = PageFact(index=0, round=1, outcome=PageOutcome.STORED, version="v9", records=1)
    body = msgspec.json.encode({"assignments": [assignment(1)]})
    assert store.pages.store(crawl.id, late, Content(body=pack(body)))
    assert store.publish(crawl).changes.deleted == 0
    assert len(store.mirror(stream)) == 3


def test_a_sync_opens_during_a_publish(store: FilledStore):
    """Whoever opens a sync while a publish is at work waits for it, and neither dies of the other."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2)]))
    opened = []
    opening = threading.Thread(target=lambda: opened.append(store.open(stream)))

    def judge(*_):
        opening.start()
        opening.join(timeout=0.5)  # it has to wait: what it would take over is being published
        return Verdict(may_delete=True)

    assert store.publish(store.read(stream, [assignment(1)]), judge).changes.deleted == 1
    opening.join()
    assert opened[0].origin is Origin.NEW


def test_held_deletes(store: FilledStore):
    """What may not be deleted stays, the rest is published, and the complete version does not move."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2)]))
    crawl = store.read(stream, [assignment(3)], version="v2")
    published = store.publish(crawl, lambda deletes, *_: Verdict(may_delete=False, digest=deletes.digest()))
    assert (published.changes.inserted, published.changes.deleted, published.held) == (1, 0, 2)
    after = store.streams.get(stream.id)
    assert (after.held_deletes, after.complete_version, after.full_wanted) == (2, "v1", "deletes held")
    assert len(store.mirror(stream)) == 3


def test_fewer_copies_are_held_too(store: FilledStore):
    """Retired rows that become fewer are records that go: held, they stay as many as they were."""
    stream = store.stream(store.add(), "users")
    store.publish(store.read(stream, [user("u1", "Retired")] * 3))
    judged = []

    def refuse(deletes, *_):
        judged.append((deletes.count, deletes.remaining))
        return Verdict(may_delete=False, digest=deletes.digest())

    published = store.publish(store.read(stream, [user("u1", "Retired")]), refuse)
    assert (judged, published.changes.updated, published.held) == ([(2, 1)], 0, 2)
    assert len(store.mirror(stream)) == 3


def test_the_same_deletes_have_the_same_digest(store: FilledStore):
    """A second crawl that would delete the same records shows the same digest."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1), assignment(2), assignment(3)]))
    digests = []

    def refuse(deletes, *_):
        digests.append(deletes.digest())
        return Verdict(may_delete=False, digest=digests[-1])

    for records in ([assignment(1)], [assignment(1)], [assignment(2)]):
        store.publish(store.read(stream, records), refuse)
    assert digests[0] == digests[1] != digests[2]


def test_published_once(store: FilledStore):
    """A second publish of one crawl finds nothing to do."""
    stream = store.stream(store.add(), "assignments")
    crawl = store.read(stream, [assignment(1)])
    assert store.publish(crawl) is not None
    assert store.publish(crawl) is None


def test_unknown_fields_are_kept(store: FilledStore):
    """A field that Apple adds later comes out as it came in, and a change of it is a change."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1, colour={"name": "red", "none": None})]))
    assert store.mirror(stream) == [assignment(1, colour={"name": "red", "none": None})]
    published = store.publish(store.read(stream, [assignment(1, colour="blue")]))
    assert published.changes.updated == 1


def test_a_key_that_is_null(store: FilledStore):
    """An explicit null is an absent field, in a key too."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(1, clientUserId=None)]))
    published = store.publish(store.read(stream, [assignment(1)]))
    assert (published.changes.inserted, published.changes.updated, published.changes.deleted) == (0, 0, 0)


@pytest.mark.parametrize("text", ["tab\there", "line\nfeed", "back\\slash", "null \\N", "quote\"'", "ünïcödé €", ""])
def test_any_text_survives(store: FilledStore, text):
    """What Apple writes into a field is what comes out."""
    stream = store.stream(store.add(), "users")
    store.publish(store.read(stream, [user("u1", email=text)]))
    assert store.mirror(stream) == [user("u1", email=text)]


def test_documents(store: FilledStore):
    """Lists of values are kept as such."""
    stream = store.stream(store.add(), "assets")
    asset = {"adamId": "1", "pricingParam": "STDQ", "supportedPlatforms": ["iOS", "macOS"], "revocable": True}
    store.publish(store.read(stream, [asset]))
    assert store.mirror(stream) == [asset]


def test_retired_users_are_counted(store: FilledStore):
    """Retired rows that are alike are as many as Apple has, and the feed says how many."""
    stream = store.stream(store.add(), "users")
    store.publish(store.read(stream, [user("u1"), user("u1", "Retired")], [user("u1", "Retired")]))
    assert len(store.mirror(stream)) == 3
    assert store.streams.get(stream.id).records == 3
    retired = next(change for change in store.feed.after(0) if "retired" in change.key)
    assert retired.after == user("u1", "Retired", copies=2)


def test_one_retired_row_less(store: FilledStore):
    """A retired row that goes is an update of the count, and the last of them a delete."""
    stream = store.stream(store.add(), "users")
    store.publish(store.read(stream, [user("u1", "Retired"), user("u1", "Retired"), user("u2")]))
    store.publish(store.read(stream, [user("u1", "Retired"), user("u2")]))
    store.publish(store.read(stream, [user("u2")]))
    assert [change.op for change in store.feed.after(2)] == ["update", "delete"]
    assert store.mirror(stream) == [user("u2")]


def test_a_user_who_retires(store: FilledStore):
    """An active row that became Retired is a delete of the one and an insert of the other."""
    stream = store.stream(store.add(), "users")
    store.publish(store.read(stream, [user("u1")]))
    store.publish(store.read(stream, [user("u1", "Retired")]))
    changes = list(store.feed.after(1))
    assert sorted(change.op for change in changes) == ["delete", "insert"]
    assert {"clientUserId": "u1"} in [change.key for change in changes]


def test_torn_users_leave_retired_rows_alone(store: FilledStore):
    """Only a whole reading can count rows without an identity: a torn one touches the active."""
    stream = store.stream(store.add(), "users")
    store.publish(store.read(stream, [user("u1"), user("u2", "Retired")]))
    crawl = store.read(stream, [user("u1", email="new"), user("u3", "Retired")], consistent=False)
    published = store.publish(crawl)
    assert (published.changes.inserted, published.changes.updated, published.changes.deleted) == (0, 1, 0)
    assert store.mirror(stream) == sorted([user("u1", email="new"), user("u2", "Retired")], key=str)


def test_locations_do_not_touch_each_other(store: FilledStore):
    """The same records in two locations are two records."""
    one, other = store.add("one", "1"), store.add("other", "2")
    for location in (one, other):
        store.publish(store.read(store.stream(location, "assignments"), [assignment(1)]))
    store.publish(store.read(store.stream(one, "assignments"), []))
    assert store.mirror(store.stream(other, "assignments")) == [assignment(1)]


def test_readers_see_before_or_after(store: FilledStore):
    """An export that is under way sees one state, whatever is published meanwhile."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [assignment(number) for number in range(5000)]))
    reading = store.exporter.records("assignments", stream.location_id)
    next(reading)
    publishing = threading.Thread(target=lambda: store.publish(store.read(stream, [assignment(1)])))
    publishing.start()
    if not store.database.is_postgresql:
        publishing.join()
    assert sum(1 for _ in reading) == 4999
    publishing.join()
    assert len(store.mirror(stream)) == 1


def test_a_snapshot_is_of_one_moment(store: FilledStore):
    """An export that comes to a list later finds it as it was at first, as its bookmark says."""
    location = store.add()
    licences, users = store.stream(location, "assignments"), store.stream(location, "users")
    for stream, record in ((licences, assignment(1)), (users, user("u1"))):
        store.publish(store.read(stream, [record]))
    with store.exporter.snapshot() as snapshot:
        assert len(list(snapshot.records("assignments", location.id))) == 1
        store.publish(store.read(users, [user("u1"), user("u2")]))
        assert len(list(snapshot.records("users", location.id))) == 1
        assert snapshot.changed_since(snapshot.seq) == set()
    assert len(store.mirror(users)) == 2
