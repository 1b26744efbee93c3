"""Orphans: whose holder is gone, and the requests that would take them back."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestration.decisions.orphans import MOST_ASSETS, MOST_HOLDERS, Gone, Holding, Orphan, Roster, batches, orphans

DEVICE = Holding(
    uid="1",
    place="hq",
    adam_id="100",
    name="Keynote",
    pricing="STDQ",
    serial_number="F9FX0001",
    client_user_id=None,
    email=None,
    as_of=None,
)
USER = replace(DEVICE, serial_number=None, client_user_id="u1", email="A@example.org")


def reasons(roster, *holdings, retired=None):
    """Return why the holders count as gone."""
    return [one.reason for one in orphans(holdings, roster, retired or {}, {})]


def test_a_device_that_is_not_known():
    """A device is gone if the list of devices lacks it, in whichever case; without a list nothing is said of it."""
    assert reasons(Roster(serial_numbers={"F9FX0001"}), replace(DEVICE, serial_number="f9fx0001")) == []
    assert reasons(Roster(serial_numbers={"F9FX0002"}), DEVICE) == [Gone.UNKNOWN_DEVICE]
    assert reasons(Roster(emails={"a@example.org"}), DEVICE) == []


def test_a_person_who_left():
    """A person is known by the clientUserId or by the address; one who has nothing to compare is not called gone."""
    assert reasons(Roster(emails={"a@example.org"}), USER) == []
    assert reasons(Roster(user_ids={"u1"}, emails={"b@example.org"}), USER) == []
    assert reasons(Roster(user_ids={"u2"}, emails={"b@example.org"}), USER) == [Gone.LEFT]
    assert reasons(Roster(emails={"b@example.org"}), replace(USER, email=None)) == []


def test_a_retired_user():
    """A user whom Apple has retired is gone, whatever the list of people says, at that location only."""
    retired = {("1", "u1"): Gone.RETIRED}
    roster = Roster(emails={"a@example.org"})
    assert reasons(roster, USER, replace(USER, uid="2"), retired=retired) == [Gone.RETIRED]


def test_whether_it_can_be_taken_back():
    """Each orphan says whether its licence is revocable; what is not is in no request."""
    found = list(orphans([DEVICE], Roster(serial_numbers={"X"}), {}, {("1", "100", "STDQ"): False}))
    assert found == [Orphan(holding=DEVICE, reason=Gone.UNKNOWN_DEVICE, revocable=False)]
    assert list(batches(found)) == []
    [batch] = batches([replace(found[0], revocable=None)])
    assert batch == {
        "location": "hq",
        "location_uid": "1",
        "body": {"assets": [{"adamId": "100", "pricingParam": "STDQ"}], "serialNumbers": ["F9FX0001"]},
    }


HELD = st.sets(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(0, 30)), max_size=300)


@given(HELD)
def test_requests_take_back_what_is_listed_and_nothing_else(held):
    """Each pair of asset and holder of a request is in the list, each of the list is in one, and none is too big."""
    found = [
        Orphan(
            holding=replace(DEVICE, uid=uid, adam_id=str(adam_id), serial_number=str(serial)),
            reason=Gone.UNKNOWN_DEVICE,
            revocable=True,
        )
        for uid, adam_id, serial in held
    ]
    taken = []
    for batch in batches(found):
        body = batch["body"]
        assert len(body["assets"]) <= MOST_ASSETS
        taken += [
            (batch["location_uid"], int(asset["adamId"]), int(serial))
            for asset in body["assets"]
            for serial in body["serialNumbers"]
        ]
    assert sorted(taken) == sorted(held)


def test_many_holders_are_split():
    """More holders than Apple takes at once are in several requests."""
    found = [
        Orphan(holding=replace(USER, client_user_id=f"u{number}"), reason=Gone.LEFT, revocable=True)
        for number in range(MOST_HOLDERS + 1)
    ]
    assert [len(batch["body"]["clientUserIds"]) for batch in batches(found)] == [MOST_HOLDERS, 1]
