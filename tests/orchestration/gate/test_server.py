"""What a Redis says of itself: whether the gates may be kept in it."""

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from redis.exceptions import RedisError

from orchestration.gate.server import RedisServer


def test_a_server_says_what_it_is(redis):
    """The server has a name, a version and a clock, and says what it does when its memory is full."""
    facts = RedisServer(redis).facts()
    assert facts.name in {"Valkey", "Redis"}
    assert facts.version[0].isdigit()
    assert facts.policy == "noeviction"
    assert abs(facts.now - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_server_that_evicts_and_one_that_keeps(redis):
    """Whether keys are evicted, and whether every change is written to disk, follows the server's own settings."""
    before = {name: redis.config_get(name)[name] for name in ("maxmemory-policy", "appendonly")}
    try:
        redis.config_set("maxmemory-policy", "allkeys-lru")
        redis.config_set("appendonly", "yes")
        facts = RedisServer(redis).facts()
    finally:
        for name, value in before.items():
            redis.config_set(name, value)
    assert (facts.policy, facts.is_durable) == ("allkeys-lru", True)
    assert RedisServer(redis).facts().policy == before["maxmemory-policy"]


def test_a_server_that_is_not_there():
    """The driver's own error comes through: the callers know what to say about it."""
    with Redis.from_url("redis://127.0.0.1:9", retry=None) as nobody, pytest.raises(RedisError):
        RedisServer(nobody).ping()
