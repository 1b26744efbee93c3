"""Locations: tokens that are sealed, names that are unique, data that outlives being watched."""

import pytest
import sqlalchemy as sa

from storage.errors import LocationExists, LocationNameTaken, SealedAway, UnknownLocation
from storage.locations import Locations
from storage.sealer import Sealer, make_key
from storage.states import LocationState
from tests.support.filled_store import FilledStore, make_token


def test_a_token_is_sealed(store: FilledStore):
    """The database never holds the token itself, and the right key opens it."""
    location = store.add()
    with store.database.read() as connection:
        row = connection.execute(sa.text("SELECT * FROM locations")).one()
    assert "c2VjcmV0" not in str(row)
    assert b"c2VjcmV0" not in bytes(row.sealed_token)
    assert store.locations.token(location).text == "c2VjcmV0"


def test_a_lost_key_is_reported(store: FilledStore):
    """A token that no key opens is an error of its own."""
    location = store.add()
    with pytest.raises(SealedAway, match="cannot be opened"):
        Locations(store.database, Sealer([make_key()])).token(location)


def test_keys_rotate(store: FilledStore):
    """A newer key seals, an older one still opens."""
    old, new = make_key(), make_key()
    location = Locations(store.database, Sealer([old])).add("hq", "1", make_token(), None, ["assets"])
    assert Locations(store.database, Sealer([new, old])).token(location).text == "c2VjcmV0"


def test_known_by_its_uid(store: FilledStore):
    """A second token of one location is refused, with the name it has."""
    store.add("hq")
    with pytest.raises(LocationExists, match="'hq'"):
        store.add("other")


def test_names_are_unique(store: FilledStore):
    """Two locations cannot have one name."""
    store.add("hq", "1")
    with pytest.raises(LocationNameTaken, match="'hq' is location 1"):
        store.add("hq", "2")


def test_removed_is_unwatched(store: FilledStore):
    """What is removed loses its token and keeps its row, and comes back with everything."""
    location = store.add("hq")
    store.locations.remove("hq")
    assert store.locations.watched() == []
    with pytest.raises(UnknownLocation):
        store.locations.token(location)
    assert store.add("hq").id == location.id


def test_an_unknown_name(store: FilledStore):
    """A name that is not there is answered with those that are."""
    store.add("hq")
    with pytest.raises(UnknownLocation, match="hq"):
        store.locations.watched(["elsewhere"])


def test_rotated(store: FilledStore):
    """A newer token takes the old one's place, and its trouble is over."""
    location = store.add()
    store.locations.mark(location.id, LocationState.REVOKED, "revoked")
    store.locations.rotate("hq", make_token("bmV3"))
    after = store.locations.watched()[0]
    assert (after.state, after.problem) == (LocationState.VALID, None)
    assert store.locations.token(after).text == "bmV3"


def test_found_by_its_token(store: FilledStore):
    """The holder of a token is found without asking Apple."""
    store.add("hq")
    assert store.locations.holder_of("c2VjcmV0").name == "hq"
    assert store.locations.holder_of("b3RoZXI=") is None


def test_tokens_are_sealed_anew(database):
    """With a new key put first, every token is sealed with it, and the old key is needed no more."""
    old, new = make_key(), make_key()
    first = Locations(database, Sealer([old]))
    location = first.add("hq", "1", make_token("c2VjcmV0"), None, ["assets"])
    assert Locations(database, Sealer([new, old])).reseal() == 1
    assert Locations(database, Sealer([new])).token(location).text == "c2VjcmV0"
    with pytest.raises(SealedAway, match="hq"):
        first.token(location)
