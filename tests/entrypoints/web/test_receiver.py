"""The receiver, request by request: who is let in, what is stored, and what a stranger learns."""

import json
import threading
from collections.abc import Sequence

import pytest
from redis import Redis

from apple.notices import Notice
from entrypoints.web.background import BackgroundBuild
from entrypoints.web.throttle import Throttle
from entrypoints.web.webhook import BURST, PER_SECOND, BearerCheck, Door, Intake, Receiver, make_app
from entrypoints.web.webhook.receiver import BODY_LIMIT_BYTES
from orchestration.metrics import Metrics, MetricsStore
from storage.clock import VirtualClock
from storage.errors import DatabaseAway
from storage.notice_secrets import digest_of_secret
from tests.support.notifier import make_notice

from .asgi import Answered, ask_all

SECRETS = {"1": "secret-of-one", "2": "secret-of-two"}


class House:
    """A receiver whose database is this object, and whose broker is a list."""

    def __init__(self) -> None:
        self.stored: list[Notice] = []
        self.queued: list[str] = []
        self.error: Exception | None = None
        self.is_ready = True
        self.changed = threading.Condition()
        self.metrics = Metrics()
        self.check = BearerCheck(self.digests, ["service-secret"])
        away = MetricsStore(Redis.from_url("redis://127.0.0.1:9", retry=None))
        self.intake = Intake(self.store, self.queue_sync, lambda notice: notice.uid in SECRETS, self.metrics, away)
        self.intake.start()
        receiver = Receiver(self.check, self.intake, self.metrics, Throttle(BURST, PER_SECOND, VirtualClock()))
        door = Door(receiver=receiver, intake=self.intake, is_ready=lambda: self.is_ready)
        background = BackgroundBuild(lambda: door)
        background.start()
        self.app = make_app(background)

    def digests(self) -> dict[str, list[str]]:
        """Read the secrets."""
        if isinstance(self.error, DatabaseAway):
            raise self.error
        return {uid: [digest_of_secret(secret)] for uid, secret in SECRETS.items()}

    def store(self, some: Sequence[Notice]) -> int:
        """Store notices, or fail."""
        if self.error is not None:
            raise self.error
        self.stored += some
        return len(some)

    def queue_sync(self, uid: str) -> None:
        """Queue a sync."""
        with self.changed:
            self.queued.append(uid)
            self.changed.notify_all()

    def ask(self, body: bytes, path: str = "/notices", **more) -> Answered:
        """Send one request."""
        [answered] = ask_all(self.app, path, [body], **more)
        return answered

    def counted(self) -> dict[str, float]:
        """Return the results of requests that were counted, once nobody tries to send them to Redis any more."""
        self.intake.stop()
        self.intake._threads[1].join(10)
        counts = self.metrics.take()
        return {json.loads(field)[1]["result"]: value for field, value in counts.items()}


@pytest.fixture
def house():
    """A receiver."""
    made = House()
    yield made
    made.intake.stop()


def notice(uid: str = "1", **more) -> bytes:
    """Make the body of a notice."""
    return json.dumps(make_notice(uid, **more)).encode()


def test_a_notice_is_stored_before_it_is_answered(house):
    """200 means that the notice is in the database; its sync is queued after that."""
    assert house.ask(notice(), bearer=SECRETS["1"]).status == 200
    assert [one.uid for one in house.stored] == ["1"]
    with house.changed:
        assert house.changed.wait_for(lambda: house.queued, 10)
    assert house.queued == ["1"]


@pytest.mark.parametrize(
    ("path", "bearer", "status"),
    [
        ("/notices", "secret-of-one", 200),
        ("/notices/1", "secret-of-one", 200),
        ("/notices", "service-secret", 200),
        ("/notices/1", "service-secret", 200),
        ("/notices/2", "secret-of-one", 401),
        ("/notices/9", "service-secret", 401),
        ("/notices", "wrong", 401),
        ("/notices", None, 401),
        ("/notices", "secret-of-two", 400),
    ],
)
def test_who_may_send(house, path, bearer, status):
    """A secret opens its own location, the service's every one that is kept; a notice of another one is refused."""
    assert house.ask(notice(), path, bearer=bearer).status == status
    assert len(house.stored) == (status == 200)


def test_a_stranger_learns_nothing(house):
    """Whatever else is wrong with a request, a wrong bearer gets the same answer, and the connection is closed."""
    answers = [
        house.ask(body, path, bearer="wrong") for body in (b"", b"{", notice()) for path in ("/notices/1", "/notices/9")
    ]
    assert {(one.status, tuple(sorted(one.headers.items()))) for one in answers} == {
        (
            401,
            (
                ("cache-control", "no-store"),
                ("connection", "close"),
                ("content-length", "0"),
                ("www-authenticate", "Bearer"),
            ),
        )
    }


def test_a_bearer_is_no_other_scheme(house):
    """The secret under another scheme is no bearer."""
    assert house.ask(notice(), authorization=f"Basic {SECRETS['1']}").status == 401


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"uId": "1"}', notice(notificationType="a\nb")])
def test_what_is_no_notice(house, body):
    """A right bearer with something else is answered 400, stored nowhere, and no error of ours."""
    assert house.ask(body, bearer=SECRETS["1"]).status == 400
    assert house.stored == []


def test_a_test_of_apple(house):
    """Apple's own test is answered 200, and nothing is stored."""
    test = json.dumps({"notificationType": "TEST_NOTIFICATION"}).encode()
    assert house.ask(test, bearer=SECRETS["1"]).status == 200
    assert house.stored == []


@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ([b"x"], {"content_length": str(BODY_LIMIT_BYTES + 1)}),
        ([b"x"], {"content_length": "many"}),
        ([b"x" * (BODY_LIMIT_BYTES + 1)], {}),
    ],
)
def test_a_body_is_bounded(house, parts, headers):
    """A body that says that it is too large, or is, is refused."""
    assert house.ask(b"".join(parts), bearer=SECRETS["1"], **headers).status == 413


def test_a_client_that_leaves(house):
    """A request that breaks off stores nothing."""
    assert house.ask(notice()[:20], bearer=SECRETS["1"], is_cut_off=True).status == 400
    assert house.stored == []


@pytest.mark.parametrize("error", [DatabaseAway(), RuntimeError("a bug")])
def test_what_cannot_be_stored_comes_again(house, error):
    """If the database is away, or for a bug of ours, the answer is 503, after which Apple sends it again."""
    house.error = error
    answered = house.ask(notice(), bearer=SECRETS["1"])
    assert (answered.status, answered.headers["retry-after"]) == (503, "30")


def test_strangers_are_throttled(house):
    """After many wrong requests of one address it is answered 429; a right one of it is still stored."""
    statuses = [one.status for one in ask_all(house.app, "/notices", [b""] * (BURST + 5), bearer="wrong")]
    assert statuses.count(401) == BURST
    assert statuses.count(429) == 5
    assert house.ask(b"", bearer="wrong", client="192.0.2.8").status == 401
    assert house.ask(notice(), bearer=SECRETS["1"]).status == 200


def test_many_at_once_are_each_stored(house):
    """A burst is stored in a few transactions, and every one of it is answered."""
    bodies = [notice(notificationId=str(number)) for number in range(300)]
    answers = ask_all(house.app, "/notices", bodies, bearer=SECRETS["1"])
    assert {one.status for one in answers} == {200}
    assert {one.id for one in house.stored} == {str(number) for number in range(300)}


def test_results_are_counted(house):
    """Monitoring sees how many were kept, and how many were refused."""
    house.ask(notice(), bearer=SECRETS["1"])
    house.ask(notice(), bearer="wrong")
    house.ask(b"", bearer=SECRETS["1"])
    counted = house.counted()
    assert {name: counted[name] for name in ("kept", "unauthorized", "bad request")} == {
        "kept": 1,
        "unauthorized": 1,
        "bad request": 1,
    }


@pytest.mark.parametrize(("is_ready", "status"), [(True, 200), (False, 503)])
def test_readiness(house, is_ready, status):
    """The receiver is alive while it runs, and ready while a notice could be stored."""
    house.is_ready = is_ready
    assert house.ask(b"", "/readyz", method="GET").status == status
    assert house.ask(b"", "/healthz", method="GET").status == 200


def test_a_door_that_is_not_open_yet():
    """Before the database is there, every notice is answered 503, and nothing is ready."""

    def build() -> Door:
        raise DatabaseAway

    background = BackgroundBuild(build)
    background.start()
    app = make_app(background)
    [answered] = ask_all(app, "/notices", [notice()], bearer=SECRETS["1"])
    [ready] = ask_all(app, "/readyz", [b""], method="GET")
    background.stop()
    assert (answered.status, ready.status) == (503, 503)
