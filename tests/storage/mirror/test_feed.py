"""The feed: the order of the numbers is the order of the commits."""

import threading

from storage.database import open_database
from storage.mirror.feed import Sieve
from storage.mirror.hold import Verdict
from tests.support.filled_store import make_store
from tests.support.servers import drop_database, make_database

from .test_publication import assignment

LOCATIONS = 4
ROUNDS = 6


def test_a_reader_misses_nothing(postgresql_database):  # noqa: C901 - two kinds of threads in one story
    """Whoever keeps the highest number that he saw, while several publish at once, has seen every change."""
    store = make_store(open_database(postgresql_database))
    streams = [store.stream(store.add(f"l{number}", str(number)), "assignments") for number in range(LOCATIONS)]
    done = threading.Event()
    seen = []

    def follow():
        last = 0
        while True:
            is_last_look = done.is_set()
            for change in store.feed.after(last):
                last = change.seq
                seen.append(change.seq)
            if is_last_look:
                return

    def publish(stream):
        for round_ in range(ROUNDS):
            records = [assignment(number) for number in range(round_ * 40, round_ * 40 + 60)]
            store.publish(store.read(stream, records), lambda *_: Verdict(may_delete=True))

    reader = threading.Thread(target=follow)
    reader.start()
    publishers = [threading.Thread(target=publish, args=(stream,)) for stream in streams]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    done.set()
    reader.join()
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == LOCATIONS * (60 + (ROUNDS - 1) * 80)
    store.database.close()


def test_the_feed_replayed_is_the_mirror(store):
    """Applying every change in order to nothing gives what the mirror holds."""
    stream = store.stream(store.add(), "assignments")
    for first in (0, 3, 2, 9):
        store.publish(store.read(stream, [assignment(number) for number in range(first, first + 10)]))
    replayed: dict[str, object] = {}
    for change in store.feed.after(0):
        key = str(sorted(change.key.items()))
        if change.op == "delete":
            assert replayed.pop(key) == change.before
        else:
            assert replayed.get(key) == change.before
            replayed[key] = change.after
    assert sorted(replayed.values(), key=str) == store.mirror(stream)


def test_after_a_number(store):
    """Only what comes after the number is given, and only of the location that was asked for."""
    one, other = store.add("one", "1"), store.add("other", "2")
    for location in (one, other):
        store.publish(store.read(store.stream(location, "assignments"), [assignment(1), assignment(2)]))
    assert [change.seq for change in store.feed.after(1)] == [2, 3, 4]
    assert [change.name for change in store.feed.after(0, Sieve(uids=["2"]))] == ["other", "other"]


def test_a_change_names_its_location_for_ever(store):
    """A reader that keeps what it read by uId is in step, whatever locations are called meanwhile."""
    one, other = store.add("one", "1"), store.add("other", "2")
    replica: dict[tuple[str, ...], object] = {}
    seq = 0

    def read(location, *records):
        store.publish(store.read(store.stream(location, "assignments"), list(records), version=str(len(replica))))

    def follow():
        nonlocal seq
        for change in store.feed.after(seq):
            key = (change.uid, str(change.key))
            seq = change.seq
            if change.op == "delete":
                del replica[key]
            else:
                replica[key] = change.after

    read(one, assignment(1), assignment(2))
    read(other, assignment(3))
    follow()
    store.locations.rename({"1": "other", "2": "one"})
    read(one, assignment(1))
    read(other, assignment(3), assignment(4))
    follow()
    assert sorted(uid for uid, _ in replica) == ["1", "2", "2"]


def test_the_feed_of_a_copy_is_another_one(postgresql_url, copied_database):
    """A database that was restored has another feed; one that was opened again has the same."""
    original = open_database(copied_database)
    feed = make_store(original).feed
    feed.recognise()
    name = feed.extent().name
    assert not feed.recognise()
    assert feed.extent().name == name
    original.close()
    copy = open_database(make_database(postgresql_url, "restored", copied_database.rsplit("/", 1)[1]))
    feed = make_store(copy).feed
    assert feed.recognise()
    assert feed.extent().name != name
    copy.close()
    drop_database(postgresql_url, "restored")
