"""Subscriptions, in memory: what is stored if Apple, or another service, does not do what was asked."""

from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from apple.client import Client
from apple.local import LocalSessions
from orchestration.memory.process import start_process
from orchestration.subscription import HeldElsewhere, NotTaken, Subscriber
from tests.support.memory import MemoryPlace, make_place

URL = "https://mdm.example.com/notices"


class StubbornApple:
    """An Apple that has a subscription of its own, whatever is set."""

    def __init__(self, uid: str) -> None:
        self.config = {"uId": uid, "locationName": "HQ", "subscribedNotificationTypes": ["ASSET_COUNT"]}
        self.is_ready = True

    async def answer(self, _: Request) -> Response:
        """Answer the same to each request."""
        return JSONResponse(self.config if self.is_ready else None, 200 if self.is_ready else 503)


@pytest.fixture
def place() -> MemoryPlace:
    """An installation with one location."""
    return make_place(resources=["assets"])


@pytest.fixture
def apple(place) -> StubbornApple:
    """An Apple that takes no settings."""
    return StubbornApple(place.location.uid)


@pytest.fixture
def subscriber(place, apple) -> Subscriber:
    """The use case, at that Apple."""
    app = Starlette(routes=[Route("/{path:path}", apple.answer, methods=["GET", "POST"])])
    around = replace(place.around, apple=Client("http://apple", sessions=LocalSessions(app)))
    return start_process(around).use_cases.subscriber


def valid_secrets(place: MemoryPlace) -> int:
    """Count the secrets that notices of the location may bring."""
    return len(place.store.notice_secrets.digests()[place.location.uid])


def test_a_subscription_that_apple_does_not_store(place, apple, subscriber):
    """If Apple still names another address, the secret made for ours is revoked, and that is an error."""
    apple.config["notificationUrl"] = "https://old.example.com"
    with pytest.raises(HeldElsewhere, match=r"go to https://old\.example\.com"):
        subscriber.subscribe(place.location, URL, (), claim=False)
    with pytest.raises(NotTaken, match=r"still sends notices to https://old\.example\.com"):
        subscriber.subscribe(place.location, URL, (), claim=True)
    assert valid_secrets(place) == 0


def test_an_end_that_apple_does_not_store(place, subscriber):
    """If Apple goes on sending, the subscription is not over: its secret stays valid."""
    secret = place.store.notice_secrets.propose(place.location.uid)
    place.store.notice_secrets.settle(place.location.uid, secret, URL)
    with pytest.raises(NotTaken, match="goes on sending ASSET_COUNT"):
        subscriber.unsubscribe(place.location, claim=False)
    assert valid_secrets(place) == 1


def test_no_subscription_to_end(place, apple, subscriber):
    """If Apple sends no notices, nothing is written to it, and a secret that is left is revoked."""
    apple.config["subscribedNotificationTypes"] = []
    place.store.notice_secrets.propose(place.location.uid)
    assert subscriber.unsubscribe(place.location, claim=False) is False
    assert valid_secrets(place) == 0


def test_another_service_holds_the_location(place, apple, subscriber):
    """A location that another service manages is left alone without a claim."""
    apple.config["mdmInfo"] = {"id": "other", "name": "Other MDM", "metadata": ""}
    with pytest.raises(HeldElsewhere, match="is managed by 'Other MDM'"):
        subscriber.subscribe(place.location, URL, (), claim=False)
