"""The gate: five at a time, in turn, shut when Apple says so, and right after a Redis that forgot."""

import threading
import time
from contextlib import ExitStack

import pytest

from orchestration.gate import Gate, Message, NotNow
from orchestration.gate.gate import HEAD_START, IN_FLIGHT_LIMIT, PATIENCE_SECONDS
from orchestration.gate.scripts import key_of

ADMITTED = IN_FLIGHT_LIMIT + HEAD_START


def park(gate, count, *, location="1", rank=3, first=0):
    """Park some messages, and give the ids of those that were let through."""
    ids = []
    for number in range(first, first + count):
        ids += [one.id for one in gate.park(location, Message(id=f"c.{rank}.{number}", payload="{}"), rank)]
    return ids


@pytest.fixture
def hold():
    """Take permits and keep them to the end of the test, or until one is given back."""
    with ExitStack() as stack:

        def take(gate, count, location="1"):
            permits = [gate.permit(location, wait=0.0) for _ in range(count)]
            for permit in permits:
                stack.enter_context(permit)
            return permits

        yield take


def test_admits_five_and_a_head_start(gate):
    """However many messages are parked, a handful goes to the broker."""
    assert len(park(gate, 50)) == ADMITTED
    assert gate.look("1").waiting == 50 - ADMITTED


def test_one_goes_one_comes(gate):
    """The end of a task admits the next."""
    admitted = park(gate, 20)
    assert [one.id for one in gate.finish("1", admitted[0])] == [f"c.3.{ADMITTED}"]


def test_parked_once(gate):
    """A message that is sent twice waits once."""
    park(gate, 20)
    park(gate, 20)
    assert gate.look("1").waiting == 20 - ADMITTED


def test_seeds_go_first(gate):
    """A seed overtakes the pages that wait."""
    admitted = park(gate, 20)
    park(gate, 1, rank=0)
    assert [one.id for one in gate.finish("1", admitted[0])] == ["c.0.0"]


def test_locations_are_apart(gate):
    """One location's pages leave another's gate alone."""
    park(gate, 20, location="1")
    assert len(park(gate, 20, location="2")) == ADMITTED


def test_never_a_sixth(gate, hold):
    """Five permits, and no more until one is given back."""
    permits = hold(gate, IN_FLIGHT_LIMIT)
    with pytest.raises(NotNow), gate.permit("1", wait=0.0):
        pass
    permits[0].__exit__(None, None, None)
    with gate.permit("1", wait=0.0):
        assert gate.look("1").in_flight == IN_FLIGHT_LIMIT


def test_waiting_wakes(gate, hold):
    """Who waits for a permit has it as soon as one is given back."""
    permits = hold(gate, IN_FLIGHT_LIMIT)
    waited = []

    def wait():
        with gate.permit("1", wait=10.0):
            waited.append(time.monotonic())

    waiting = threading.Thread(target=wait)
    waiting.start()
    given = time.monotonic()
    permits[0].__exit__(None, None, None)
    waiting.join()
    assert waited[0] - given < 5.0


def test_many_threads_never_a_sixth(gate):
    """Under the rush of many threads five are inside together, and never six."""
    lock, inside, most = threading.Lock(), [0], [0]
    together = threading.Barrier(IN_FLIGHT_LIMIT, timeout=30)

    def ask():
        with gate.permit("1", wait=30.0):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            together.wait()
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=ask) for _ in range(3 * IN_FLIGHT_LIMIT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == IN_FLIGHT_LIMIT


def test_two_executions_of_one_message(gate):
    """A message that is delivered twice needs two permits: one id is not one request."""
    park(gate, 1)
    with gate.permit("1", "c.3.0", wait=0.0), gate.permit("1", "c.3.0", wait=0.0):
        assert gate.look("1").in_flight == 2


def test_a_retry_after_shuts(gate):
    """A wait that Apple names stops permits and admissions of this location, and of no other."""
    with gate.permit("1") as permit:
        permit.slow_down, permit.retry_after = True, 30.0
    assert 29 < gate.look("1").shut_seconds <= 30
    with pytest.raises(NotNow) as caught, gate.permit("1"):
        pass
    assert 28 < caught.value.seconds <= 30
    assert park(gate, 3) == []
    with gate.permit("2"):
        pass


def test_five_answers_are_one_closing(gate):
    """Five requests that are told to slow down together make the wait grow once."""
    permits = [gate.permit("1") for _ in range(5)]
    for permit in permits:
        permit.__enter__().slow_down = True
    for permit in permits:
        permit.__exit__(None, None, None)
    assert gate.look("1").shut_seconds <= 1.0


def test_the_wait_grows(gate, redis):
    """Each closing in a row waits twice as long as the one before; a success ends that."""
    waits = []
    for _ in range(3):
        redis.hdel(key_of("1", "state"), "closed_until")
        with gate.permit("1") as permit:
            permit.slow_down = True
        waits.append(round(gate.look("1").shut_seconds))
    assert waits == [1, 2, 4]
    redis.hdel(key_of("1", "state"), "closed_until")
    with gate.permit("1"):
        pass
    with gate.permit("1") as permit:
        permit.slow_down = True
    assert round(gate.look("1").shut_seconds) == 1


def test_the_pump_opens(gate, redis):
    """What waited behind a shut gate is admitted when its time has come, by whoever looks."""
    with gate.permit("1") as permit:
        permit.slow_down, permit.retry_after = True, 60.0
    park(gate, 3)
    assert gate.pump() == []
    redis.hset(key_of("1", "state"), "closed_until", 0)
    redis.zadd("gates:due", {"1": 0})
    assert len(gate.pump()) == 3


def test_parked_for_later(gate, redis):
    """A task that is to come again waits for its time, and keeps its place."""
    admitted = park(gate, 1)
    assert gate.park_again("1", admitted[0], 60.0) == []
    assert gate.look("1").waiting == 1
    redis.zadd(key_of("1", "later"), {admitted[0]: 0})
    redis.zadd("gates:due", {"1": 0})
    assert [one.id for one in gate.pump()] == admitted


def test_a_lost_message_is_published_again(gate, redis):
    """A message that was let through and never started is published again, and may then wait twice as long."""
    admitted = park(gate, 1)
    for times in (1, 2):
        redis.zadd(key_of("1", "admitted"), {admitted[0]: 0})
        redis.zadd("gates:due", {"1": 0})
        assert [one.id for one in gate.pump()] == admitted
        now = redis.time()[0]
        patience = redis.zscore(key_of("1", "admitted"), admitted[0]) / 1000 - now
        assert abs(patience - PATIENCE_SECONDS * 2**times) < 2


def test_a_running_task_is_not_lost(gate, redis):
    """A task that runs is renewed; one whose process died lapses within a lease."""
    admitted = park(gate, 1)
    gate.start("1", admitted[0])
    with gate.permit("1", admitted[0]):
        redis.zadd(key_of("1", "admitted"), {admitted[0]: 0})
        gate.renew()
        assert gate.pump() == []
    lapses = redis.zscore(key_of("1", "admitted"), admitted[0]) / 1000 - redis.time()[0]
    assert 0 < lapses <= 16


def test_a_dead_process_is_noticed(redis, hold):
    """A permit that nobody renews frees itself."""
    gate = Gate(redis, longest_request=60.0, lease=0.05)
    gate.open_epoch()
    held = hold(gate, IN_FLIGHT_LIMIT)
    until = time.monotonic() + 5
    while gate.look("1").in_flight and time.monotonic() < until:
        pass
    with gate.permit("1", wait=0.0):
        assert len(held) == IN_FLIGHT_LIMIT


def test_a_redis_that_forgot(gate, redis, hold):
    """An emptied Redis lets nobody through for one lease; those who are at Apple come back into the count."""
    held = hold(gate, 3)
    redis.flushall()
    with pytest.raises(NotNow) as caught, gate.permit("1"):
        pass
    assert caught.value.seconds > 10
    gate.renew()
    assert gate.look("1").in_flight == len(held)
    assert park(gate, 2) == []


def test_no_more_than_apples_rate(gate):
    """Grants stay within the requests a second that Apple allows, counted over a window longer than its second."""
    granted = []
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        try:
            with gate.permit("1", rate=5, wait=0.2):
                granted.append(time.monotonic())
        except NotNow:
            continue
    assert all(later - earlier >= 1.15 for earlier, later in zip(granted, granted[5:], strict=False))
    assert len(granted) >= 10


def test_knows_what_waits(gate):
    """Whether anything of a crawl is under way is told by its ids, but for the one who asks."""
    park(gate, 1)
    assert gate.knows("1", "c.")
    assert not gate.knows("1", "d.")
    assert not gate.knows("1", "c.", but="c.3.0")


def test_a_message_is_never_recoded(gate):
    """What is parked comes out to the letter: empty lists, large numbers and all."""
    payload = '{"a":[],"n":12345678901234567890,"t":"ü\\u0000"}'
    assert gate.park("1", Message(id="c.0", payload=payload), 0)[0].payload == payload


def test_one_of_a_kind(gate):
    """Of those that name the same chain, one at a time has a permit; others are not kept from theirs."""
    with gate.permit("1", sole="chain", wait=0.0):
        with pytest.raises(NotNow), gate.permit("1", sole="chain", wait=0.0):
            pass
        with gate.permit("1", wait=0.0), gate.permit("2", sole="chain", wait=0.0):
            assert gate.look("1").in_flight == 2
    with gate.permit("1", sole="chain", wait=0.0):
        assert gate.look("1").in_flight == 1
