"""What Apple asked for outlives a Redis: it is kept in the database, and told to whichever Redis does not know it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from redis import Redis

from apple.answers import Answer
from apple.client import Client
from apple.errors import AppleError, ServerError, SlowDown, Unreachable
from orchestration.gate import Gate, NoPermit
from orchestration.gate.client import GatedClient, _send
from orchestration.gate.closings import GateClosings
from orchestration.gate.limits import UNKNOWN_RATE, ServiceLimits
from orchestration.gate.redis_memory import RedisMemory
from orchestration.metrics import Metrics
from storage.closings import Shut
from storage.schema import waits
from tests.support.filled_store import FilledStore, make_store, make_token
from tests.support.proxy import proxied
from tests.support.servers import open_gates


@pytest.fixture
def gate(redis) -> Gate:
    """The gates of a Redis that has nothing to remember."""
    open_gates(redis)
    return Gate(RedisMemory(redis), longest_request=60.0)


@pytest.fixture
def store(database) -> FilledStore:
    """A store with two locations of one organisation, and one of another."""
    store = make_store(database)
    for name in ("one", "two"):
        store.add(name, name)
    other = make_token("b3RoZXI=")
    store.locations.add("other", "other", type(other)(text="x", expires=other.expires, organisation="Other"), None, [])
    return store


@pytest.fixture
def closings(gate, store) -> GateClosings:
    """The closings of a gate."""
    return GateClosings(gate, store)


@pytest.fixture
def client(gate, closings) -> GatedClient:
    """Whoever asks, of an Apple that the test plays."""
    apple = Client("http://127.0.0.1:9")
    return GatedClient(apple, gate, ServiceLimits(apple), closings, Metrics())


def answer(client, status, body=b"{}", retry_after=None, location="one"):
    """Ask, and have it answered like this."""
    given = Answer(status=status, body=body, packed=b"", retry_after=retry_after, seconds=0.0)
    return client._ask(client._gate.permit(location, wait=0.0), lambda: given, _send)


def test_a_closing_outlives_its_redis(client, closings, gate, redis):
    """A Redis that was emptied is told how long Apple wants a location left alone, before it lets anybody through."""
    with pytest.raises(SlowDown):
        answer(client, 429, retry_after=1800.0)
    redis.flushall()
    with pytest.raises(NoPermit), gate.permit("one", wait=0.0):
        pass
    closings.restore()
    assert 1790 < gate.look("one").shut_seconds <= 1800
    assert gate.look("two").shut_seconds <= 15


def test_it_is_reported_with_why(client, store):
    """What is kept says why, for whoever asks when it goes on."""
    with pytest.raises(SlowDown):
        answer(client, 429, retry_after=60.0)
    closing = store.closings.standing()["one"]
    assert "Apple asks for fewer requests" in closing.why
    left = closing.until - store.database.now()
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)


@pytest.mark.parametrize(
    ("status", "retry_after", "is_asked"), [(429, None, True), (503, 5.0, True), (503, None, False)]
)
def test_whether_apple_asked_for_it(client, store, status, retry_after, is_asked):
    """A wait is Apple's wish if it asks for fewer requests, or names a time; else Apple is away."""
    with pytest.raises(AppleError):
        answer(client, status, retry_after=retry_after)
    with store.database.read() as connection:
        assert connection.execute(sa.select(waits.c.gate, waits.c.is_asked)).all() == [("one", is_asked)]


def test_the_wait_goes_on_growing(client, closings, gate, redis):
    """How often in a row Apple asked for less is remembered too."""
    for _ in range(3):
        redis.hdel("gate:{one}:state", "closed_until")
        with pytest.raises(SlowDown):
            answer(client, 429)
    redis.flushall()
    closings.restore()
    redis.set("gate:epoch", redis.get("gate:epoch").split()[0] + b" 0 1")  # a lease later
    redis.hdel("gate:{one}:state", "closed_until")
    with pytest.raises(SlowDown):
        answer(client, 429)
    assert 7 < gate.look("one").shut_seconds <= 8


def test_an_organisation_is_left_alone(client, gate):
    """9646 is about the whole organisation: its other locations wait as well, and no other organisation's."""
    with pytest.raises(SlowDown):
        answer(client, 200, b'{"errorNumber": 9646}', retry_after=30.0)
    assert 29 < gate.look("two").shut_seconds <= 30
    assert gate.look("other").shut_seconds == 0


@pytest.mark.parametrize(
    ("status", "error", "seconds"),
    [(503, ServerError, 1), (500, ServerError, 1), (429, SlowDown, 1)],
)
def test_what_closes_a_gate(client, gate, status, error, seconds):
    """Trouble on Apple's side closes the gate too: client for the next page at once is of no use to anybody."""
    with pytest.raises(error):
        answer(client, status, retry_after=0.0)
    assert seconds - 0.2 < gate.look("one").shut_seconds <= seconds


def test_nobody_there_closes_the_gate(client, gate):
    """Where Apple cannot be reached, a location asks once a time, and not for each of its pages."""

    def refuse():
        raise Unreachable

    with pytest.raises(Unreachable):
        client._ask(gate.permit("one", wait=0.0), refuse, _send)
    assert gate.look("one").shut_seconds > 0.8


def test_limits_that_cannot_be_read(client):
    """While Apple's limits are not known, its own sample counts."""
    assert client._limits.rate() == UNKNOWN_RATE == 15


def test_a_wait_that_redis_does_not_hear_of(gate, store, redis_url):
    """What Apple asked for while Redis was away is kept, and told to it as soon as it answers again."""
    with proxied(redis_url) as (proxy, url), Redis.from_url(url, retry=None) as far:
        hurt = Gate(RedisMemory(far), longest_request=60.0)
        closings = GateClosings(hurt, store)
        apple = Client("http://127.0.0.1:9")
        client = GatedClient(apple, hurt, ServiceLimits(apple), closings, Metrics())

        def busy():
            proxy.refuse()
            return Answer(status=429, body=b"{}", packed=b"", retry_after=1800.0, seconds=0.0)

        with pytest.raises(SlowDown):
            client._ask(hurt.permit("one", wait=0.0), busy, _send)
        left = store.closings.standing()["one"].until - store.database.now()
        assert left > timedelta(minutes=29)
        assert gate.look("one").shut_seconds == 0.0
        proxy.accept()
        closings.restore()
        assert gate.look("one").shut_seconds > 1740


def test_a_process_that_comes_after_one_that_could_not_say_it(gate, store, closings):
    """What another process kept and could not write to Redis, the next one writes, though Redis forgot nothing."""
    store.closings.keep(["one"], Shut(seconds=1800.0, step=1, why="Slow down."))
    assert gate.look("one").shut_seconds == 0.0
    closings.restore()
    assert gate.look("one").shut_seconds > 1740
