"""The Redis that the gates are kept in: whether it answers, and whether it can be relied on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis import Redis


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What a Redis says of itself."""

    name: str
    version: str
    #: What it does when its memory is full.
    policy: str
    #: Whether it writes every change to disk.
    is_durable: bool
    now: datetime


class RedisServer:
    """The server behind a connection."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def ping(self) -> None:
        """Return if the server answers; otherwise raise the driver's own error."""
        self._redis.ping()

    def facts(self) -> ServerFacts:
        """Return what the server says of itself."""
        info: Any = self._redis.info()
        now: Any = self._redis.time()
        return ServerFacts(
            name="Valkey" if info.get("server_name") == "valkey" else "Redis",
            version=str(info.get("valkey_version", info.get("redis_version", "?"))),
            policy=str(info.get("maxmemory_policy", "")),
            is_durable=bool(info.get("aof_enabled", 0)),
            now=datetime.fromtimestamp(now[0] + now[1] / 1e6, UTC),
        )
