"""What only a real server shows: threads that rush, answers that are lost, and a server that is another than before."""

import threading
import time

import pytest
from redis.exceptions import RedisError

from orchestration.gate import Gate, Message, NoPermit
from orchestration.gate.memory import IN_FLIGHT_LIMIT
from orchestration.gate.redis_memory import RedisMemory, key_of
from orchestration.gate.script_redis import ScriptRedis
from tests.support.proxy import proxied
from tests.support.servers import open_gates
from tests.support.site import await_true


@pytest.fixture
def gate(redis) -> Gate:
    """The gates of a Redis that has nothing to remember."""
    open_gates(redis)
    return Gate(RedisMemory(redis), longest_request=60.0)


def test_waiting_wakes(gate):
    """Whoever waits for a permit has it as soon as one is given back."""
    permits = [gate.permit("1", wait=0.0) for _ in range(IN_FLIGHT_LIMIT)]
    for permit in permits:
        permit.__enter__()
    waited = []

    def wait():
        with gate.permit("1", wait=10.0):
            waited.append(time.monotonic())

    waiting = threading.Thread(target=wait)
    waiting.start()
    given = time.monotonic()
    permits[0].__exit__(None, None, None)
    waiting.join()
    for permit in permits[1:]:
        permit.__exit__(None, None, None)
    assert waited[0] - given < 5.0


def test_waiting_for_a_server_that_lost_its_scripts(gate, redis):
    """Whoever waits takes the permit that is given back although the server has forgotten the scripts meanwhile."""
    permits = [gate.permit("1", wait=0.0) for _ in range(IN_FLIGHT_LIMIT)]
    for permit in permits:
        permit.__enter__()
    taken = []

    def wait():
        with gate.permit("1", wait=10.0):
            taken.append(gate.look("1").in_flight)

    waiting = threading.Thread(target=wait)
    waiting.start()
    await_true(lambda: redis.info("clients")["blocked_clients"], "nobody waits")
    redis.script_flush()
    redis.lpush(key_of("1", "wake"), 1)  # it wakes, and nothing has loaded a script since
    permits[0].__exit__(None, None, None)
    waiting.join()
    for permit in permits[1:]:
        permit.__exit__(None, None, None)
    assert taken == [IN_FLIGHT_LIMIT]


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


def test_an_answer_of_redis_that_was_lost(redis, redis_url):
    """A permit whose grant was lost, or that could not be given back, does not hold its message up."""
    open_gates(redis)
    with proxied(redis_url) as (proxy, url), ScriptRedis.from_url(url) as client:
        gate = Gate(RedisMemory(client), longest_request=60.0)
        for number in range(2):
            gate.park("1", [Message(id=f"c.3.{number}", payload="{}")], 3)
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


def test_another_server_with_the_same_data(gate, redis):
    """A Redis that came back from a snapshot believes what was true once: its gates stay shut for a lease."""
    with gate.permit("1", wait=0.0), gate.permit("1", wait=0.0):
        known = redis.get("gate:epoch")
        redis.set("gate:epoch", b"0" * 40 + known[40:])  # as a snapshot of another run has it
        redis.delete(key_of("1", "permits"))
        with pytest.raises(NoPermit) as caught, gate.permit("1", wait=0.0):
            pass
        assert caught.value.seconds > 10
        gate.renew()
        assert gate.look("1").in_flight == 2
