"""What an answer says of a token: whose it is, who manages the location, and when it ends."""

from dataclasses import replace
from datetime import timedelta

import pytest

from apple.client import ClientConfig
from apple.errors import OtherLocation, OtherOwner
from orchestration.tokens import check_owner, note_expiry
from storage.locations import Location
from tests.support.memory import MemoryPlace, make_place


@pytest.fixture
def place() -> MemoryPlace:
    """An installation with one location, of which no owner is known."""
    return make_place(resources=["assets"])


def kept(place: MemoryPlace) -> Location:
    """Return the location as it is kept now."""
    return place.store.locations.find(place.location.uid)


def test_the_first_owner_is_noted(place):
    """Where no owner is known, the one that an answer names is noted, with its own name."""
    check_owner(place.store.locations, place.location, place.location.uid, "us", "Our MDM")
    assert (kept(place).owner, kept(place).owner_name) == ("us", "Our MDM")


def test_an_owner_may_change_its_name(place):
    """The same owner under another name is no other owner; its name is noted."""
    place.store.locations.own(place.location.id, "us", "Our MDM")
    check_owner(place.store.locations, kept(place), None, "us", "Renamed")
    assert kept(place).owner_name == "Renamed"
    check_owner(place.store.locations, kept(place), None, "us", None)
    assert kept(place).owner_name == "Renamed"


def test_another_owner_is_an_error(place):
    """An answer that names another service stops the location; both are named, and the first stays noted."""
    place.store.locations.own(place.location.id, "us", "Our MDM")
    with pytest.raises(OtherOwner, match=r"it was 'Our MDM' \(us\), now it is 'them'"):
        check_owner(place.store.locations, kept(place), None, "them", None)
    assert kept(place).owner == "us"


def test_nobody_says_nothing(place):
    """An answer without an owner takes nothing from the one that is known."""
    place.store.locations.own(place.location.id, "us", None)
    check_owner(place.store.locations, kept(place), place.location.uid, None)
    assert kept(place).owner == "us"


def test_another_location_is_an_error(place):
    """An answer of another uId is never taken for this location's."""
    with pytest.raises(OtherLocation, match="it opens 999"):
        check_owner(place.store.locations, place.location, "999", None)


def test_the_end_of_a_token_is_noted(place):
    """An end that differs by more than a minute is noted; the same moment in other units is none."""
    end = place.location.token_expires
    note_expiry(place.store.locations, place.location, end + timedelta(seconds=30))
    note_expiry(place.store.locations, place.location, None)
    assert kept(place).token_expires == end
    note_expiry(place.store.locations, place.location, end - timedelta(days=30))
    assert kept(place).token_expires == end - timedelta(days=30)


def test_a_config_is_stored(place):
    """What Apple says of a location is stored: its name there, and where its notices go."""
    config = ClientConfig(
        uid=place.location.uid,
        name="HQ at Apple",
        owner=None,
        token_expires=None,
        notification_url="https://x/notices",
        notification_types=("ASSET_COUNT",),
    )
    place.process.use_cases.token_checker.note(place.location, config)
    found = kept(place)
    assert (found.apple_name, found.notice_url, found.notice_types) == (
        "HQ at Apple",
        "https://x/notices",
        ["ASSET_COUNT"],
    )
    assert found.asked_at is not None


def test_a_config_of_another_location_is_not_stored(place):
    """A config that is another's changes nothing."""
    config = ClientConfig(uid="999", name="Other", owner=None, token_expires=None)
    with pytest.raises(OtherLocation):
        place.process.use_cases.token_checker.note(place.location, config)
    assert kept(place).apple_name == ""


def test_a_new_token_is_asked_about_at_its_own_gate(place):
    """The first request of a token whose location is not known goes through a gate of its own."""
    token = place.store.locations.token(place.location)
    config = place.process.use_cases.token_checker.ask(token)
    assert config.uid == place.location.uid
    place.process.gate.shut(place.location.uid, 60.0)
    assert place.process.use_cases.token_checker.ask(token).uid == place.location.uid


def test_a_check_stores_what_it_hears(place):
    """A check of a person asks Apple, and stores the answer at once."""
    place.apple.organisation.owner = {"id": "us", "name": "Our MDM", "metadata": ""}
    place.process.use_cases.token_checker.check(kept(place), 1.0)
    assert kept(place).owner == "us"
    with pytest.raises(OtherOwner):
        place.process.use_cases.token_checker.check(replace(kept(place), owner="before"), 1.0)
