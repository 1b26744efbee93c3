"""One list of records in Apple's order: what is in it, and what changed since a state."""

import random

import pytest

from simulator.lists import RecordList
from simulator.organisation import Organisation
from simulator.traffic import IN_FLIGHT_LIMIT, TooMany, Traffic

from .local import SMALL


@pytest.fixture
def listing() -> RecordList:
    """A list of three records."""
    numbers = iter(range(100))
    made = RecordList(dice=random.Random(1), make=lambda: b"record %d" % next(numbers))
    made.fill(3)
    return made


def records(listing: RecordList) -> list[bytes]:
    """Return the records in their order."""
    return [entry.record for entry in listing.entries]


@pytest.mark.parametrize(
    ("where", "order"),
    [
        ("front", [b"record 3", b"record 0", b"record 1", b"record 2"]),
        ("end", [b"record 0", b"record 1", b"record 2", b"record 3"]),
    ],
)
def test_a_record_is_inserted_at_its_place(listing, where, order):
    """A new record stands at the front, at the end, or anywhere."""
    listing.insert(where)
    assert records(listing) == order


@pytest.mark.parametrize(("where", "gone"), [("front", b"record 0"), ("end", b"record 2")])
def test_a_record_is_removed_from_its_place(listing, where, gone):
    """What is removed is returned, and is in the list no more."""
    assert listing.remove(where) == gone
    assert gone not in records(listing)
    assert len(records(listing)) == 2


def test_anywhere_is_somewhere(listing):
    """A random place is one that there is, and the same seed finds the same."""
    for _ in range(50):
        listing.insert("random")
    for _ in range(53):
        listing.remove("random")
    assert records(listing) == []


def test_what_changed_since_a_state(listing):
    """A record that was inserted or replaced after a state is in the list of changes; what was removed is if asked."""
    listing.touch()
    state = listing.move
    listing.insert("end")
    listing.replace(0, b"replaced")
    listing.remove("end")
    listing.touch()
    assert listing.since(state, with_removed=False) == [b"replaced"]
    assert listing.since(state, with_removed=True) == [b"record 3", b"replaced"]
    assert listing.since(listing.move, with_removed=True) == []


def test_a_quiet_change_is_in_no_list(listing):
    """What changes quietly is there, and no list of changes shows it."""
    listing.touch()
    state = listing.move
    listing.replace(1, b"quiet", quietly=True)
    listing.touch()
    assert b"quiet" in records(listing)
    assert listing.since(state, with_removed=True) == []


def test_everything_may_move(listing):
    """If all records look different, all of them are in the list of changes."""
    state = listing.move
    listing.touch(all_of_it=True)
    assert len(listing.since(state, with_removed=False)) == 3


def test_each_state_has_a_name_of_its_own(listing):
    """The names of states have no order, and none comes twice; expired ones are unknown."""
    names = [listing.version]
    for _ in range(20):
        listing.touch()
        names.append(listing.version)
    assert len(set(names)) == 21
    assert listing.versions[names[3]] == 3
    listing.forget_versions()
    assert set(listing.versions) == {listing.version}


def test_records_that_begin_alike_go_together(listing):
    """What begins with a text is dropped at once, and remembered as removed."""
    state = listing.move
    listing.drop(b"record 1")
    listing.touch()
    assert records(listing) == [b"record 0", b"record 2"]
    assert listing.since(state, with_removed=True) == [b"record 1"]


@pytest.fixture
def organisation() -> Organisation:
    """The data of one location."""
    return Organisation("1", "HQ", SMALL, 1)


def test_more_than_there_is_cannot_be_removed(organisation):
    """To remove more than there is removes all, and is no error."""
    organisation.remove("users", 1000, "front")
    assert organisation.listings["users"].entries == []


def test_an_order_may_change(organisation):
    """A shuffle keeps every record, in another order."""
    before = records(organisation.listings["assignments"])
    organisation.shuffle("assignments")
    after = records(organisation.listings["assignments"])
    assert before != after
    assert sorted(before) == sorted(after)


def test_the_same_seed_the_same_data():
    """Two organisations of one seed are alike; of another seed they are not."""
    lists = [records(Organisation("1", "HQ", SMALL, seed).listings["assignments"]) for seed in (1, 1, 2)]
    assert lists[0] == lists[1] != lists[2]


def test_six_requests_are_one_too_many():
    """Five requests are let in at once; the sixth is refused and remembered, and a place is free after each."""
    traffic = Traffic()
    contexts = [traffic.arrive() for _ in range(IN_FLIGHT_LIMIT)]
    for one in contexts:
        one.__enter__()
    with pytest.raises(TooMany), traffic.arrive():
        pass
    contexts[0].__exit__(None, None, None)
    with traffic.arrive():
        assert traffic.in_flight == IN_FLIGHT_LIMIT
    assert (traffic.most_in_flight, traffic.refused, traffic.requests) == (6, 1, 7)


def test_a_rate_is_kept():
    """More requests in a second than are allowed are refused, however few are in flight."""
    traffic = Traffic(rate=3)
    for _ in range(3):
        with traffic.arrive():
            pass
    with pytest.raises(TooMany), traffic.arrive():
        pass
    assert traffic.most_a_second == 4


def test_chains_are_counted_apart():
    """Requests along cursors have a count of their own: there should never be two."""
    traffic = Traffic()
    with traffic.arrive(is_chained=True), traffic.arrive():
        assert (traffic.chained, traffic.in_flight) == (1, 2)
    assert (traffic.most_chained, traffic.chained) == (1, 0)


def test_requests_are_counted_by_what_they_want():
    """Each request counts for its resource, its page and its path; the number of its resource is returned."""
    traffic = Traffic()
    assert traffic.note("users", "users/0", "/mdm/v2/users") == 1
    assert traffic.note("users", "users/1", "/mdm/v2/users") == 2
    report = traffic.report()
    assert (report["by_resource"], report["by_page"], report["by_path"]) == (
        {"users": 2},
        {"users/0": 1, "users/1": 1},
        {"/mdm/v2/users": 2},
    )
