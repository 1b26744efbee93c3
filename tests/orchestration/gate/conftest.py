"""Both memories of gates, and time that passes for either without being waited for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis

from orchestration.gate import Gate
from orchestration.gate.local_memory import LocalMemory
from orchestration.gate.memory import GateMemory
from orchestration.gate.redis_memory import DUE_KEY, EPOCH_KEY, RedisMemory
from storage.clock import VirtualClock


class AgeingClock(VirtualClock):
    """A clock whose time passes for a Redis as well."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._redis = redis

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        super().sleep(seconds)
        age_redis(self._redis, seconds)


@dataclass(kw_only=True)
class Gates:
    """A memory, and gates over it: one for each process that a test plays."""

    memory: GateMemory
    clock: VirtualClock
    #: Empties the memory.
    forget: Callable[[], object]

    def open(self) -> Gate:
        """Open the gates, as one process sees them."""
        return Gate(self.memory, longest_request=60.0, timer=self.clock)

    def restore(self) -> None:
        """Note that the memory has all closings there are: none."""
        self.memory.open_epoch()
        self.memory.note_restored(self.memory.epoch() or b"")

    def pass_time(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self.clock.sleep(seconds)


def age_redis(redis: Redis, seconds: float) -> None:
    """Make all times in a Redis older: for its gates, that is time passing."""
    by = int(seconds * 1000)
    for key in redis.scan_iter(match="gate:*"):
        part = key.decode().rpartition(":")[2]
        if part in {"later", "admitted", "permits", "keeping"}:
            _age_scores(redis, key, by)
        elif part == "grants":
            grants: Any = redis.lrange(key, 0, -1)
            times = [int(time) - by for time in grants]
            redis.delete(key)
            redis.rpush(key, *times)
        elif part == "state":
            for name in ("closed_until", "held_until"):
                if redis.hexists(key, name):
                    redis.hincrby(key, name, -by)
    _age_scores(redis, DUE_KEY, by)
    epoch: Any = redis.get(EPOCH_KEY)
    if epoch is not None:
        name, opens, told = epoch.split()
        redis.set(EPOCH_KEY, b"%s %d %s" % (name, max(0, int(opens) - by), told))


def _age_scores(redis: Redis, key: bytes | str, by: int) -> None:
    scores: Any = redis.zrange(key, 0, -1, withscores=True)
    for name, score in scores:
        redis.zadd(key, {name: score - by})


@pytest.fixture(params=["redis", "local"])
def gates(request: pytest.FixtureRequest) -> Gates:
    """Gates that know what there is to know: nothing. The same tests run over both memories."""
    if request.param == "redis":
        redis = request.getfixturevalue("redis")
        gates = Gates(memory=RedisMemory(redis), clock=AgeingClock(redis), forget=redis.flushall)
    else:
        clock = VirtualClock()
        memory = LocalMemory(clock)
        gates = Gates(memory=memory, clock=clock, forget=memory.forget)
    gates.restore()
    return gates


@pytest.fixture
def gate(gates: Gates) -> Gate:
    """The gates, as one process sees them."""
    return gates.open()
