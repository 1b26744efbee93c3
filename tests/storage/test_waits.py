"""Waits: when locations rested because Apple asked for it, kept for people who look back."""

from datetime import timedelta

import pytest

from storage.closings import Closings, Shut
from storage.ledger.syncs import CRAWLS_KEPT
from storage.ledger.waits import Waits
from storage.sealer import Sealer, make_key
from tests.support.filled_store import FilledStore

ASKED = Shut(seconds=30.0, step=1, why="too many calls", error="SlowDown", is_asked=True)


@pytest.fixture
def store(database):
    """A store with a location and an open crawl."""
    store = FilledStore(database, Sealer([make_key()]))
    store.add("hq", "1")
    return store


def test_one_wait_of_several_answers(store):
    """Five answers that ask for the same rest are one wait; a longer one makes it longer."""
    opened = store.open(store.stream(store.location, "assets"))
    for seconds in (30.0, 30.0, 12.0, 60.0):
        Closings(store.database).keep(["1"], Shut(seconds=seconds, step=1, why="", is_asked=True))
    [wait] = Waits(store.database).of([store.crawls.get(opened.crawl_id).sync_id])
    assert wait.is_asked
    assert 60.0 <= wait.seconds < 65.0


def test_a_later_wait_is_another(store):
    """A rest that is asked for after the last one was over is counted for itself, as is one because Apple was away."""
    opened = store.open(store.stream(store.location, "assets"))
    for shut in (Shut(seconds=-1.0, step=1, why="", is_asked=True), Shut(seconds=5.0, step=2, why="")):
        Closings(store.database).keep(["1", "2"], shut)
    waits = Waits(store.database).of([store.crawls.get(opened.crawl_id).sync_id])
    assert [wait.is_asked for wait in waits] == [True, False]


def test_history_has_them(store):
    """The history of a crawl has the waits that Apple asked for while it ran, and no earlier ones."""
    Closings(store.database).keep(["1"], Shut(seconds=-1.0, step=1, why="", is_asked=True))
    store.open(store.stream(store.location, "assets"))
    [crawl] = store.history.crawls(10)
    assert (crawl.waits, crawl.waited_seconds) == (0, 0.0)
    Closings(store.database).keep(["1", "2"], ASKED)
    [crawl] = store.history.crawls(10)
    assert (crawl.waits, crawl.waited_seconds) == (1, 30.0)


def test_old_ones_are_swept(store):
    """A wait is kept as long as the crawls that waited."""
    opened = store.open(store.stream(store.location, "assets"))
    Closings(store.database).keep(["1"], ASKED)
    waits, mine = Waits(store.database), [store.crawls.get(opened.crawl_id).sync_id]
    waits.sweep(store.database.now() + CRAWLS_KEPT - timedelta(minutes=1))
    assert len(waits.of(mine)) == 1
    waits.sweep(store.database.now() + CRAWLS_KEPT + timedelta(minutes=1))
    assert waits.of(mine) == []
