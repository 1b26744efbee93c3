"""The gate: five at a time, in turn, shut when Apple says so, and right after a Redis that forgot."""

import threading
import time
from contextlib import ExitStack

import pytest
from redis import Redis
from redis.exceptions import RedisError

from orchestration.gate import AlreadyRunning, Gate, Message, NoPermit
from orchestration.gate.gate import HEAD_START, IN_FLIGHT_LIMIT, LEASE_SECONDS, PATIENCE_SECONDS, TASK_SECONDS
from orchestration.gate.scripts import DUE_KEY, key_of
from tests.support.proxy import proxied
from tests.support.servers import open_gates

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
    with pytest.raises(NoPermit), gate.permit("1", wait=0.0):
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
    """A message that is delivered twice is one request: a copy is told, also while the answer is being stored."""
    park(gate, 2)
    with gate.permit("1", "c.3.0", wait=0.0):
        assert_is_refused(gate, "c.3.0")
        with gate.permit("1", "c.3.1", wait=0.0), gate.permit("1", wait=0.0):
            assert gate.look("1").in_flight == 3
    assert_is_refused(gate, "c.3.0")
    gate.finish("1", "c.3.0")
    assert_is_refused(gate, "c.3.0")


def test_a_message_that_comes_again_asks_again(gate):
    """Where nothing was stored and the message parks itself, its next delivery is no copy."""
    park(gate, 1)
    with gate.permit("1", "c.3.0", wait=0.0):
        pass
    gate.park_again("1", "c.3.0", 0.0)
    with gate.permit("1", "c.3.0", wait=0.0):
        assert gate.look("1").in_flight == 1


def test_a_worker_that_died_over_storing(gate, redis):
    """What it had asked about is asked again, once nobody can be storing it any more."""
    park(gate, 1)
    with gate.permit("1", "c.3.0", wait=0.0):
        pass
    [(_, until)] = redis.zrange(key_of("1", "keeping"), 0, -1, withscores=True)
    assert until / 1000 - time.time() < TASK_SECONDS < LEASE_SECONDS
    redis.zadd(key_of("1", "keeping"), {"c.3.0": 0})
    with gate.permit("1", "c.3.0", wait=0.0):
        assert gate.look("1").in_flight == 1


def test_an_answer_of_redis_that_was_lost(redis, redis_url):
    """A permit of which nobody heard, or that could not be given back, holds its message up no longer."""
    open_gates(redis)
    with proxied(redis_url) as (proxy, url), Redis.from_url(url) as client:
        gate = Gate(client, longest_request=60.0)
        park(gate, 2)
        with gate.permit("1", wait=0.0):  # the scripts are known to Redis from here on
            assert gate.look("1").in_flight == 1
        proxy.lose_next()
        with pytest.raises(RedisError), gate.permit("1", "c.3.0", wait=0.0):
            pass
        assert gate.look("1").in_flight == 1
        gate.park_again("1", "c.3.0", 0.0)
        with gate.permit("1", "c.3.0", wait=0.0):
            proxy.refuse()
        proxy.accept()
        gate.renew()
        assert gate.look("1").in_flight == 0


def assert_is_refused(gate, message_id):
    """Nobody may ask about a message."""
    with pytest.raises(AlreadyRunning), gate.permit("1", message_id, wait=0.0):
        pass


def test_a_copy_leaves_the_message_alone(gate, redis):
    """A copy that leaves takes nothing away from the one who works on it: that one is renewed as before."""
    [admitted] = park(gate, 1)
    gate.start("1", admitted)
    gate.start("1", admitted)
    gate.leave(admitted)
    redis.zadd(key_of("1", "admitted"), {admitted: 0})
    gate.renew()
    assert gate.pump() == []


def test_a_retry_after_shuts(gate):
    """A wait that Apple names stops permits and admissions of this location, and of no other."""
    with gate.permit("1") as permit:
        permit.closes, permit.retry_after = True, 30.0
    assert 29 < gate.look("1").shut_seconds <= 30
    with pytest.raises(NoPermit) as caught, gate.permit("1"):
        pass
    assert 28 < caught.value.seconds <= 30
    assert park(gate, 3) == []
    with gate.permit("2"):
        pass


def test_five_answers_are_one_closing(gate):
    """Five requests that are told to slow down together make the wait grow once."""
    permits = [gate.permit("1") for _ in range(5)]
    for permit in permits:
        permit.__enter__().closes = True
    for permit in permits:
        permit.__exit__(None, None, None)
    assert gate.look("1").shut_seconds <= 1.0


def test_the_wait_grows(gate, redis):
    """Each closing in a row waits twice as long as the one before; a success ends that."""
    waits = []
    for _ in range(3):
        redis.hdel(key_of("1", "state"), "closed_until")
        with gate.permit("1") as permit:
            permit.closes = True
        waits.append(round(gate.look("1").shut_seconds))
    assert waits == [1, 2, 4]
    redis.hdel(key_of("1", "state"), "closed_until")
    with gate.permit("1"):
        pass
    with gate.permit("1") as permit:
        permit.closes = True
    assert round(gate.look("1").shut_seconds) == 1


def test_the_pump_opens(gate, redis):
    """What waited behind a shut gate is admitted when its time has come, by whoever looks."""
    with gate.permit("1") as permit:
        permit.closes, permit.retry_after = True, 60.0
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
    open_gates(redis)
    gate = Gate(redis, longest_request=60.0, lease=0.05)
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
    with pytest.raises(NoPermit) as caught, gate.permit("1"):
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
        except NoPermit:
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
        with pytest.raises(NoPermit), gate.permit("1", sole="chain", wait=0.0):
            pass
        with gate.permit("1", wait=0.0), gate.permit("2", sole="chain", wait=0.0):
            assert gate.look("1").in_flight == 2
    with gate.permit("1", sole="chain", wait=0.0):
        assert gate.look("1").in_flight == 1


def close(gate, **more):
    """Take a permit, and give it back with an answer that closes the gate."""
    with gate.permit("1", wait=0.0) as permit:
        permit.closes = True
        for name, value in more.items():
            setattr(permit, name, value)
    return permit


@pytest.mark.parametrize("named", [None, 0.0, 0.2])
def test_slow_down_never_means_at_once(gate, named):
    """Whatever wait is named, none included, the gate is shut for its own least wait."""
    permit = close(gate, retry_after=named)
    assert 0.9 < gate.look("1").shut_seconds <= 1.0
    assert 0.9 < permit.shut_seconds <= 1.0


def test_a_wait_grows_whatever_is_named(gate, redis):
    """A small wait that is named again and again does not keep the least one from growing, up to its limit."""
    waits = []
    for _ in range(6):
        redis.hdel(key_of("1", "state"), "closed_until")
        waits.append(round(close(gate, retry_after=0.0, limit=15.0).shut_seconds))
    assert waits == [1, 2, 4, 8, 15, 15]


def test_a_plain_success_may_name_a_wait(gate):
    """An answer that is well, and names a wait, shuts the gate for that and lets nothing grow."""
    with gate.permit("1", wait=0.0) as permit:
        permit.retry_after = 3.0
    assert 2.9 < gate.look("1").shut_seconds <= 3.0
    assert permit.step == 0


def test_hours_are_kept(gate):
    """A wait of hours is kept to the second."""
    assert close(gate, retry_after=7200.0).shut_seconds > 7199


def test_a_redis_is_told_before_its_gates_open(redis):
    """A Redis that knows who is at Apple, and not what Apple asked for, lets nobody through until it is told."""
    gate = Gate(redis, longest_request=60.0)
    gate.open_epoch()
    with pytest.raises(NoPermit), gate.permit("1", wait=0.0):
        pass
    untold = gate.untold()
    gate.shut("1", 50.0, step=3)
    gate.note_told(untold)
    assert gate.untold() is None
    assert 49 < gate.look("1").shut_seconds <= 50
    with gate.permit("2", wait=0.0):
        pass
    redis.flushall()
    gate.note_told(untold)  # of the Redis that was: the one that forgot is still to be told
    assert gate.untold() is not None


def test_another_server_with_the_same_data(gate, redis, hold):
    """A Redis that came back from a snapshot believes what was so once: its gates stay shut for a lease."""
    held = hold(gate, 2)
    known = redis.get("gate:epoch")
    redis.set("gate:epoch", b"0" * 40 + known[40:])  # as a snapshot of another run has it
    redis.delete(key_of("1", "permits"))
    with pytest.raises(NoPermit) as caught, gate.permit("1", wait=0.0):
        pass
    assert caught.value.seconds > 10
    gate.renew()
    assert gate.look("1").in_flight == len(held)


def test_a_gate_that_is_woken_meanwhile(gate, redis):
    """A time that is set while a pump looks at the gate is not lost: the pump has not the last word."""
    [first] = park(gate, 1)
    gate.finish("1", first)
    redis.zadd(DUE_KEY, {"1": 0})
    seen = redis.zscore(DUE_KEY, "1")
    again = int(gate._run("admit", "1")[0])
    [second] = park(gate, 1, first=1)
    gate.park_again("1", second, 0.2)
    gate._scripts.reschedule("1", seen, again)
    until = time.monotonic() + 5
    found = []
    while not found and time.monotonic() < until:
        found = gate.pump()
    assert [one.id for one in found] == [second]


def test_a_permit_that_is_given_back_while_it_is_renewed(gate):
    """A request that ends between the look at what lives and the renewal leaves no ghost behind."""
    permit = gate.permit("1", sole="chain", wait=0.0)
    permit.__enter__()
    living = gate._living()
    permit.__exit__(None, None, None)
    gate._living = lambda: living
    gate.renew()
    assert gate.look("1").in_flight == 0
    with gate.permit("1", sole="chain", wait=0.0):
        pass


def test_a_task_that_waits_again_is_not_renewed(gate, redis):
    """A message that was parked for later keeps its wait, though its process still thinks that it runs."""
    [admitted] = park(gate, 1)
    gate.start("1", admitted)
    gate.start("1", admitted)  # a copy, which goes on
    gate.park_again("1", admitted, 60.0)
    gate.renew()
    assert redis.zscore(key_of("1", "admitted"), admitted) is None
    assert gate.look("1").waiting == 1


def test_a_task_that_hangs_is_not_renewed(gate, redis, monkeypatch):
    """A task that is neither at Apple nor done within its time is taken for lost, while its process lives."""
    monkeypatch.setattr("orchestration.gate.gate.TASK_SECONDS", 0.0)
    [admitted] = park(gate, 1)
    gate.start("1", admitted)
    redis.zadd(key_of("1", "admitted"), {admitted: 0})
    gate.renew()
    redis.zadd(DUE_KEY, {"1": 0})
    assert [one.id for one in gate.pump()] == [admitted]


def test_what_cannot_be_kept_is_not_asked_for(gate, redis):
    """Where answers cannot be stored, the location waits ever longer; five failures to one cause are one."""
    waits = []
    for _ in range(4):
        for _ in range(5):
            gate.hold("1")
        waits.append(round(gate.look("1").shut_seconds))
        redis.hdel(key_of("1", "state"), "closed_until")
    assert waits == [1, 2, 4, 8]


def test_whoever_does_not_know_the_rate_counts_too(gate):
    """Requests of a process that knows no limit are counted by those that do."""
    for _ in range(3):
        with gate.permit("1", wait=0.0):
            pass
    with pytest.raises(NoPermit), gate.permit("1", rate=3, wait=0.0):
        pass
