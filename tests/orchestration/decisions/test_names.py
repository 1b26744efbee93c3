"""Naming decisions: where to look, with which others, and when again."""

from datetime import timedelta

from apple.listings import Storefront
from orchestration.decisions.names import (
    BATCH,
    choose_batch,
    failed_for,
    fresh_for,
    missed_for,
    next_storefront,
    storefronts,
)
from storage.listings import WantedListing

HOME = Storefront(country="fr", catalogue="enterprisestore")


def want(adam_id="1", **more):
    """Return a wanted listing of a location in France."""
    return WantedListing(adam_id=adam_id, seen_from=HOME, **more)


def at(country, catalogue="enterprisestore"):
    """Return a storefront."""
    return Storefront(country=country, catalogue=catalogue)


def test_the_order_of_places():
    """At home, where others have it, in the United States, and in the catalogues of other devices."""
    assert storefronts(want(), ["de", "fr"]) == [HOME, at("de"), at("us"), at("fr", "macappstore"), at("fr", "atv9")]
    assert storefronts(want(found_at=at("us")), ["de"])[:3] == [HOME, at("us"), at("de")]
    assert storefronts(want(owner="7"), ["de"]) == [HOME]


def test_a_search_goes_from_place_to_place():
    """Each storefront is looked at once, and after the last the search is over."""
    seen, tried = [], None
    while (storefront := next_storefront(want(tried=tried), ["de"])) is not None:
        seen.append(storefront)
        tried = storefront
    assert seen == storefronts(want(), ["de"])


def test_a_batch_is_of_one_place_and_one_owner():
    """What waits for the longest is asked for, with what is looked up at the same storefront by the same token."""
    others = [want("2"), want("3", owner="7"), want("4", tried=HOME), want("5")]
    batch = choose_batch([want("1"), *others], {})
    assert batch is not None
    assert (batch.storefront, batch.owner, batch.adam_ids) == (HOME, "", ["1", "2", "5"])


def test_an_id_that_two_countries_want_is_asked_for_once():
    """Two locations that look at the same storefront for the same app share one id of one request."""
    german = WantedListing(adam_id="1", seen_from=at("de"), tried=at("de"))
    batch = choose_batch([want("1", tried=HOME), german], {"1": []})
    assert batch is not None
    assert (batch.storefront, batch.adam_ids, len(batch.wanted)) == (at("us"), ["1"], 2)


def test_what_had_no_answer_is_asked_for_in_smaller_groups():
    """After each failure a quarter as many are asked for, down to one: a bad id cannot hide the others for long."""
    sizes = [len(choose_batch([want(str(n), failures=f) for n in range(90)], {}).adam_ids) for f in range(5)]
    assert sizes == [BATCH, 12, 3, 1, 1]


def test_nothing_to_ask_for():
    """Without anything due there is no batch."""
    assert choose_batch([], {}) is None


def test_waits():
    """A name is fresh for a day, more or less; what is missing or fails is asked for ever less."""
    days = {fresh_for(str(n)) for n in range(100)}
    assert len(days) > 90
    assert timedelta(hours=19) < min(days) < max(days) < timedelta(hours=29)
    assert [missed_for(n) for n in (1, 2, 3, 4, 9)] == [
        *(timedelta(hours=n) for n in (1, 6, 24)),
        *(timedelta(days=7),) * 2,
    ]
    assert [failed_for(n) for n in (1, 2, 3, 30)] == [*(timedelta(minutes=n) for n in (1, 2, 4)), timedelta(hours=1)]
