"""Naming, in memory: who is asked for which names, when, and that nothing else depends on it."""

import contextlib
from datetime import timedelta

import pytest
import sqlalchemy as sa

from apple.tokens import parse_token
from simulator.catalogue import Size
from simulator.location import make_simulated_location
from storage.errors import SealedAway
from storage.schema import listings, locations
from tests.support.memory import MemoryPlace, make_place

#: Twenty apps of every kind that the simulated store knows; see `simulator.metadata`.
TWENTY = Size(assets=20, assignments=40, users=5, page_size=50)
RESOURCES = ["assets", "assignments"]
CUSTOM, MAC, WITHDRAWN, GERMAN, GONE = (str(361_285_480 + number * 7_919) for number in (7, 10, 13, 17, 19))


@pytest.fixture
def make():
    """A function that makes an installation whose one location was checked, and synced with its names."""

    def make(country="US", **switches) -> MemoryPlace:
        place = make_place(size=TWENTY, resources=RESOURCES, language="en", **switches)
        place.apple.organisation.country = country
        check(place, place.location.uid)
        place.sync()
        return place

    return make


def check(place, uid):
    """Let Apple say from which country's store a location sees apps."""
    assert place.process.use_cases.token_checker.refresh(uid) is None


def rows(place, **where):
    """Return the rows of listings by the id of the app."""
    wanted = sa.select(listings).where(*(listings.c[name] == value for name, value in where.items()))
    with place.store.database.read() as connection:
        return {row.adam_id: row for row in connection.execute(wanted)}


def names(place, **where):
    """Return the names that were found, by the id of the app."""
    return {adam_id: row.name for adam_id, row in rows(place, **where).items() if row.name is not None}


def pass_time(place, by):
    """Let time pass, and the scheduler look for names."""
    place.around.clock.sleep(by.total_seconds())
    place.process.use_cases.scheduler.name()
    place.run()


def test_every_app_that_can_be_named_is(make):
    """After a sync each app has its name, but for the one that no store has: public ones without any token."""
    place = make()
    public = names(place, owner="")
    assert set(public) == set(rows(place)) - {CUSTOM, WITHDRAWN, GERMAN, GONE}
    assert public["361285480"] == "Keynote"
    assert set(names(place, owner=place.location.uid)) == {CUSTOM, WITHDRAWN}
    [mac] = [row for row in rows(place, owner="").values() if row.adam_id == MAC]
    assert (mac.found_country, mac.found_catalogue) == ("us", "macappstore")
    assert place.world.lookups.leaks == 0
    assert place.world.lookups.most_in_flight == 1


def test_a_token_is_shown_only_for_what_nobody_else_sees(make):
    """The token goes along once, for the apps that the store of its country did not show without it."""
    place = make()
    assert place.world.lookups.with_token == 1


def test_an_app_that_is_sold_where_another_location_is(make):
    """What the own country does not sell is named by the store of another location's country."""
    place = make()
    other = make_simulated_location(1, TWENTY, 1, place.world.switches)
    other.organisation.country = "DE"
    place.world.locations[other.organisation.uid] = other
    location = place.store.locations.add(
        "other", other.organisation.uid, parse_token(other.token.encode()), None, RESOURCES
    )
    check(place, location.uid)
    place.process.use_cases.syncer.open(location, None, full=False)
    place.run()
    pass_time(place, timedelta(days=1))
    german = rows(place, owner="", country="us")[GERMAN]
    assert german.name is not None
    assert (german.found_country, german.language) == ("de", "de-de")
    assert rows(place, owner="", country="de")["361285480"].price.endswith("€")


@pytest.mark.parametrize("state", ["away", "busy", "html", "empty", "refuses"])
def test_a_service_that_has_trouble(make, state):
    """Whatever the service does, syncs are exact, nothing counts as missing, and names come when it answers again."""
    place = make(country="DE", metadata=state)
    place.assert_exact(RESOURCES)
    assert names(place) == {}
    assert not any(row.misses or row.missing_since or row.tried_country for row in rows(place).values())
    until = place.store.now() + timedelta(hours=2)
    while place.store.now() < until:
        pass_time(place, timedelta(minutes=1))
    assert place.world.lookups.requests <= 15  # ever longer waits between them
    place.world.turn({"metadata": "up"})
    for _ in range(30):
        pass_time(place, timedelta(minutes=10))
    assert names(place)["361285480"] == "Keynote"
    assert max(count for *_, count in place.world.lookups.asked) > 10  # and not one by one


def test_a_country_without_a_store(make):
    """Where Apple has no store, and answers as another, apps are named by that one, which is said."""
    place = make(country="XK")
    found = rows(place, owner="")
    assert found["361285480"].name == "Keynote"
    assert {row.found_country for row in found.values() if row.name is not None} == {"us"}


def test_a_token_that_cannot_be_opened(make):
    """One location's sealed token that no key opens costs its own apps their names, and nobody else theirs."""
    place = make(metadata="away")
    place.around.clock.sleep(3600)
    place.world.turn({"metadata": "up"})
    sealed = {"sealed_token": b"no key opens this"}
    with place.store.database.write() as connection:
        connection.execute(sa.update(locations).values(sealed))
        place_of = {"adam_id": CUSTOM, "country": "us", "catalogue": "enterprisestore"}
        due = {"owner": place.location.uid, "due_at": place.store.now() - timedelta(days=1)}
        connection.execute(sa.insert(listings).values(place_of | due))
    for _ in range(10):
        with contextlib.suppress(SealedAway):
            pass_time(place, timedelta(minutes=5))
    assert names(place, owner="")["361285480"] == "Keynote"


def test_a_name_that_was_found_stays(make):
    """An app that leaves the store keeps its name, with the day since when it is gone."""
    place = make()
    place.world.turn({"metadata": "empty"})
    pass_time(place, timedelta(days=2))
    keynote = rows(place, owner="")["361285480"]
    assert keynote.name == "Keynote"
    assert keynote.missing_since is None  # an answer with nothing at all proves nothing


def test_what_no_store_has_is_asked_for_ever_less(make):
    """A number that nobody knows is looked up after an hour, six, a day, and then each week."""
    place = make()
    waits = []
    for _ in range(5):
        row = rows(place, owner="")[GONE]
        waits.append(row.due_at.replace(tzinfo=None) - place.store.now().replace(tzinfo=None))
        pass_time(place, waits[-1] + timedelta(seconds=1))
    hours = [round(wait.total_seconds() / 3600) for wait in waits]
    assert hours == [1, 6, 24, 168, 168]
    assert rows(place, owner="")[GONE].missing_since is not None


def test_names_are_looked_up_again_each_day(make):
    """Nothing is asked twice within some hours; after a day everything is, in requests of many."""
    place = make()
    before = place.world.lookups.requests
    pass_time(place, timedelta(minutes=30))
    assert place.world.lookups.requests == before
    pass_time(place, timedelta(days=2))
    assert max(count for *_, count in place.world.lookups.asked) > 10


def test_off():
    """Where names are switched off, nobody is asked."""
    place = make_place(size=TWENTY, resources=RESOURCES, language=None)
    check(place, place.location.uid)
    place.sync()
    pass_time(place, timedelta(minutes=1))
    assert place.world.lookups.requests == 0
    assert rows(place) == {}


def test_a_token_that_is_refused_is_not_shown(make):
    """With a token that was revoked no names are asked for; what is public is named all the same."""
    place = make()
    place.apple.tokens[place.apple.token] = "revoked"
    place.sync()
    shown = place.world.lookups.with_token
    pass_time(place, timedelta(days=2))
    assert place.world.lookups.with_token == shown
    assert names(place, owner="")["361285480"] == "Keynote"
    assert rows(place, owner=place.location.uid)[CUSTOM].missing_since is None
