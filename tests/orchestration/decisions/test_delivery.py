"""What a hook is told, by whom, and when it is tried again."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from orchestration.decisions.delivery import (
    PATIENCE,
    changes_event,
    encode,
    headers,
    next_try,
    restart_event,
)
from storage.hooks import Hook, HookPosition, make_secret
from storage.mirror.feed import Change
from tests.support.examples import NOW

HOOK = Hook(name="mdm", url="https://x", uids=None, resources=None, has_records=False, added_at=NOW)
POSITION = HookPosition(
    hook="mdm",
    generation=0,
    location_id=1,
    uid="1",
    name="hq",
    seq=4,
    pruned_seq=0,
    last=None,
    attempts=0,
    failing_since=None,
    error=None,
)


def change(seq, resource, op, key, before=None, after=None):
    """Return a change of the feed."""
    told = {"seq": seq, "at": NOW, "uid": "1", "name": "hq", "resource": resource, "op": op, "crawl": 7}
    return Change(**told, key=key, before=before, after=after)


ASSET = change(5, "assets", "update", {"adamId": "7"}, {"totalCount": 1}, {"totalCount": 2})
HOLDER = {"adamId": "7", "pricingParam": "STDQ", "serialNumber": "F9FX0001", "clientUserId": "ann"}
ASSIGNMENT = change(6, "assignments", "insert", HOLDER, None, HOLDER)
USER = change(7, "users", "delete", {"clientUserId": "ann"}, {"clientUserId": "ann", "email": "ann@example.org"})


def test_nobody_is_named_unasked():
    """A hook that did not ask for records is told which app changed how, and not whom it is about."""
    event = changes_event(HOOK, POSITION, "feed", [ASSET, ASSIGNMENT, USER])
    text = encode(event).decode()
    for personal in ("F9FX0001", "ann", "example.org"):
        assert personal not in text
    asset, assignment, user = event["data"]["changes"]
    assert (asset["before"], asset["after"]) == ({"totalCount": 1}, {"totalCount": 2})
    assert assignment["key"] == {"adamId": "7", "pricingParam": "STDQ"}
    assert (user["op"], user["key"]) == ("delete", {})


def test_records_if_asked_for():
    """A hook that asked for records gets them whole, with keys, so that it can keep a mirror of its own."""
    whole = Hook(**{**vars(HOOK), "has_records": True})
    [told] = changes_event(whole, POSITION, "feed", [ASSIGNMENT])["data"]["changes"]
    assert (told["seq"], told["key"], told["before"], told["after"]) == (6, HOLDER, None, HOLDER)


def test_where_it_begins_and_ends():
    """An event says after which bookmark it begins, and with which it ends."""
    data = changes_event(HOOK, POSITION, "feed", [ASSET, USER])["data"]
    assert (data["location"], data["location_uid"]) == ("hq", "1")
    assert (data["after"], data["bookmark"]) == ("feed:4", "feed:7")
    assert restart_event("feed", 9, NOW)["data"] == {"bookmark": "feed:9"}
    of_one = restart_event("feed", 9, NOW, POSITION)["data"]
    assert of_one == {"location": "hq", "location_uid": "1", "bookmark": "feed:9"}


def test_the_signature_is_of_the_standard():
    """A library of the standard takes what we signed, and refuses a body, an id or a secret that is another."""
    secret, body = make_secret(), encode({"type": "test", "name": "Zürich 🍎"})
    signed = headers(secret, "feed.1.7", body, datetime.now(UTC))
    assert Webhook(secret).verify(body, signed) == json.loads(body)
    for wrong in (
        (Webhook(make_secret()), body, signed),
        (Webhook(secret), body + b" ", signed),
        (Webhook(secret), body, signed | {"webhook-id": "feed.1.8"}),
    ):
        with pytest.raises(WebhookVerificationError):
            wrong[0].verify(wrong[1], wrong[2])


def test_it_is_tried_for_three_days():
    """The waits grow, a wait that is asked for counts, and after three days it is dead."""
    waits = [(next_try(attempts, NOW, NOW, None) or NOW) - NOW for attempts in range(1, 9)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=5)
    assert waits[-1] == timedelta(hours=2)
    assert next_try(1, NOW, NOW, 90.0) == NOW + timedelta(seconds=90)
    assert next_try(1, NOW, NOW, 1e6) is not None
    assert next_try(50, NOW - PATIENCE, NOW, None) is not None
    assert next_try(50, NOW - PATIENCE - timedelta(hours=1), NOW, None) is None
