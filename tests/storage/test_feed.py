"""The feed: the order of the numbers is the order of the commits."""

import threading

from storage.database import open_database
from storage.publishing import Verdict

from .house import make_store
from .test_publishing import assignment

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
    replayed = {}
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
    assert [change.location for change in store.feed.after(0, "other")] == ["other", "other"]
