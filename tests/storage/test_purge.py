"""Purging: of a location that was removed nothing stays, of all others everything."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from storage import purge
from storage.closings import Closings, Shut
from storage.errors import StillRead, StillWatched, UnknownLocation
from storage.purge import Holdings, Purge
from storage.schema import crawls, metadata
from tests.support.filled_store import FilledStore


def fill(store: FilledStore, name: str, uid: str) -> int:
    """Mirror some assets of a location, and leave traces of it elsewhere."""
    location = store.add(name, uid)
    stream = store.stream(location, "assets")
    for version, count in (("v1", 5), ("v2", 3)):
        assets = [{"adamId": str(number), "pricingParam": "STDQ"} for number in range(count)]
        store.publish(store.read(stream, assets, version=version))
    return location.id


def rows(store: FilledStore) -> dict[str, int]:
    """Count the rows of every table there is."""
    with store.database.read() as connection:
        return {
            name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for name, table in metadata.tables.items()
        }


def test_nothing_stays(store, monkeypatch):
    """No table has a row more than before the location came, in however many steps it is erased."""
    monkeypatch.setattr(purge, "AT_ONCE", 2)
    fill(store, "other", "2")
    before = rows(store)
    number = fill(store, "hq", "1")
    store.locations.remove("hq")
    assert [one.name for one in store.locations.removed()] == ["hq"]
    assert Purge(store.database).measure(number, "1") == Holdings(records=3, changes=7, notices=0)
    Purge(store.database).purge(number, "1")
    assert rows(store) == before
    with pytest.raises(UnknownLocation):
        store.locations.named("hq")


def test_what_apple_asked_for_stays(store):
    """A location that Apple wants left alone is left alone, also when it comes again."""
    number, closings = fill(store, "hq", "1"), Closings(store.database)
    closings.keep(["1"], Shut(seconds=3600.0, step=1, why="Slow down."))
    store.locations.remove("hq")
    Purge(store.database).purge(number, "1")
    assert list(closings.standing()) == ["1"]


def test_what_is_watched_is_not_erased(store):
    """A location that is watched, or is watched again, keeps all it has."""
    number = fill(store, "hq", "1")
    before = rows(store)
    with pytest.raises(StillWatched):
        Purge(store.database).purge(number, "1")
    assert rows(store) == before


def test_one_that_comes_back_meanwhile_begins_from_nothing(store, monkeypatch):
    """Added again while it is erased, a location keeps what is left, and reads everything anew."""
    monkeypatch.setattr(purge, "AT_ONCE", 2)
    number = fill(store, "hq", "1")
    store.locations.remove("hq")
    erasing = Purge(store.database)
    erase = erasing._erase_some
    monkeypatch.setattr(erasing, "_erase_some", lambda *one: (erase(*one), store.add("hq", "1"))[0])
    with pytest.raises(StillWatched):
        erasing.purge(number, "1")
    location = store.locations.find("1")
    assert store.stream(location, "assets").version is None
    assets = [{"adamId": str(number), "pricingParam": "STDQ"} for number in range(4)]
    store.publish(store.read(store.stream(location, "assets"), assets, version="v3"))
    assert len(store.mirror(store.stream(location, "assets"))) == 4
    assert store.stream(location, "assets").records == 4


def test_what_is_being_read_is_not_erased(store):
    """While requests of its last crawl may be under way, a location is left as it is; after that it is erased."""
    number = fill(store, "hq", "1")
    location = store.locations.find("1")
    store.open(store.stream(location, "users"))
    store.locations.remove("hq")
    with pytest.raises(StillRead):
        Purge(store.database).purge(number, "1")
    with store.database.write() as connection:
        connection.execute(sa.update(crawls).values(moved_at=datetime.now(UTC) - timedelta(hours=1)))
    Purge(store.database).purge(number, "1")
    assert store.locations.removed() == []
