"""The board: the servers that workers cannot reach, for commands and monitoring. Its entries expire."""

from collections.abc import Mapping
from typing import Any

from redis import Redis

KEY = "outages"

#: An outage that no worker reports again for this long is over.
_SECONDS = 15


class OutageBoard:
    """The outages that processes report, in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def write(self, outages: Mapping[str, str]) -> None:
        """Report what is away: each server by its name, with a sentence."""
        fields: dict[Any, Any] = dict(outages)
        if fields:
            with self._redis.pipeline() as pipeline:
                pipeline.hset(KEY, mapping=fields)
                pipeline.expire(KEY, _SECONDS)
                pipeline.execute()

    def read(self) -> dict[str, str]:
        """Return what is away, by the server's name."""
        found: Any = self._redis.hgetall(KEY)
        return {name.decode(): words.decode() for name, words in found.items()}
