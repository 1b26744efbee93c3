"""Redis as a broker, whose channels notice that their connection was closed.

kombu asks such a channel to acknowledge or to give back what it had, and it fails without a connection: to
Celery that is a bug, and the end of the worker. A connection that is gone it can live with.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as RedisGone


class Channel(redis.Channel):
    """A channel of Redis."""

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        if self.connection.client is None:
            raise RedisGone("The connection of this channel was given up.")
        return super()._connparams(asynchronous)


class Transport(redis.Transport):
    """Redis as a broker."""

    Channel = Channel


TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__name__}"))
