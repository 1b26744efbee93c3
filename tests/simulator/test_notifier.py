"""Apple's notices: who gets them, how often, and what a receiver must answer."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from simulator.notifier import EVERY_TYPE, NoticeTarget, RefusedConfig


class Endpoint:
    """A receiver that answers as a test wants it."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.received: list[tuple[str, dict[str, object]]] = []
        self.arrived = threading.Condition()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = endpoint.statuses.pop(0) if len(endpoint.statuses) > 1 else endpoint.statuses[0]
                with endpoint.arrived:
                    endpoint.received.append((self.headers["Authorization"], body))
                    endpoint.arrived.notify_all()
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/notices"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def await_notices(self, count: int) -> list[dict[str, object]]:
        """Wait until this many notices have come, tests included, and return them."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, 20)
            return [body for _, body in self.received]


@pytest.fixture
def endpoint():
    """A receiver."""
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def target() -> NoticeTarget:
    """A location that nobody has subscribed to."""
    return NoticeTarget(uid="1")


def subscribe(target: NoticeTarget, url: str, *types: str) -> None:
    """Subscribe an address to notices."""
    target.configure({"notificationUrl": url, "notificationAuthToken": "secret", "notificationTypes": list(types)})


def test_a_receiver_is_tried_out(target, endpoint):
    """Before Apple takes an address it sends a test with the secret, and takes it only after success."""
    subscribe(target, endpoint.url, *EVERY_TYPE)
    [(bearer, body)] = endpoint.received
    assert (bearer, body["notificationType"]) == ("Bearer secret", "TEST_NOTIFICATION")
    assert target.described()["subscribedNotificationTypes"] == list(EVERY_TYPE)


@pytest.mark.parametrize("status", [401, 500])
def test_a_receiver_that_refuses_the_test(target, endpoint, status):
    """An address that does not answer the test with success is refused, and nothing is stored."""
    endpoint.statuses = [status]
    with pytest.raises(RefusedConfig) as caught:
        subscribe(target, endpoint.url)
    assert caught.value.number == 9728
    assert target.described() == {}


def test_a_receiver_that_is_not_there(target):
    """An address where nobody listens is refused like one that fails."""
    with pytest.raises(RefusedConfig) as caught:
        subscribe(target, "http://127.0.0.1:9/notices")
    assert caught.value.number == 9728


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ({"notificationUrl": "https://x/notices"}, 9710),
        ({"notificationAuthToken": "secret"}, 9710),
        ({"notificationUrl": f"https://x/{'y' * 600}", "notificationAuthToken": "s"}, 9711),
        ({"notificationUrl": "https://x/y", "notificationAuthToken": "s" * 600}, 9711),
        ({"notificationUrl": "http://mdm.example.com/y", "notificationAuthToken": "s"}, 9712),
        ({"notificationUrl": "https:///y", "notificationAuthToken": "s"}, 9712),
    ],
)
def test_settings_that_apple_refuses(target, wanted, number):
    """An address without its secret, one that is too long, and one without encryption each have their number."""
    with pytest.raises(RefusedConfig) as caught:
        target.configure(wanted)
    assert caught.value.number == number


def test_only_what_was_subscribed_is_sent(target, endpoint):
    """A change of a list that has no notice, or whose type nobody subscribed to, is not told."""
    subscribe(target, endpoint.url, "ASSET_MANAGEMENT")
    target.notify("subscriptions", {}, 1)
    target.notify("users", {}, 1)
    target.notify("assignments", {"type": "ASSOCIATE"}, 1)
    test, notice = endpoint.await_notices(2)
    assert test["notificationType"] == "TEST_NOTIFICATION"
    assert (notice["notificationType"], notice["uId"]) == ("ASSET_MANAGEMENT", "1")


def test_nothing_is_sent_without_a_subscription(target):
    """Without an address nothing is sent; with an end of the subscription neither."""
    target.notify("assignments", {}, 1)
    assert target.deliveries == []


def test_a_notice_is_sent_again_after_a_failure(target, endpoint):
    """A notice that is not answered with success is sent again, under the same id."""
    subscribe(target, endpoint.url, "ASSET_MANAGEMENT")
    endpoint.statuses = [503, 200]
    target.notify("assignments", {}, 1)
    _, first, again = endpoint.await_notices(3)
    assert first["notificationId"] == again["notificationId"]


def test_a_notice_may_come_twice(target, endpoint):
    """At best effort means that one notice may be delivered twice."""
    subscribe(target, endpoint.url, "ASSET_MANAGEMENT")
    target.notify("assignments", {}, 2)
    _, first, second = endpoint.await_notices(3)
    assert first["notificationId"] == second["notificationId"]


def test_the_types_can_be_changed_alone(target, endpoint):
    """The types are set without another test of the address; none of them ends the sending."""
    subscribe(target, endpoint.url, "ASSET_MANAGEMENT")
    target.configure({"notificationTypes": []})
    target.notify("assignments", {}, 1)
    assert len(endpoint.received) == 1
    assert target.described()["subscribedNotificationTypes"] == []
