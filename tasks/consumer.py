"""The consumer of a worker, which outlives a broker that is away or refuses."""

import time
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown
from kombu.connection import Connection
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import RedisError

from .outages import outages

#: How often a broker that is away is tried.
AGAIN_SECONDS = 5.0

#: A server that refuses answers at once: it is asked again after this.
REFUSED_SECONDS = 1.0


class Consumer(CeleryConsumer):
    """Celery's consumer, which no error of a broker ends."""

    connection_errors: tuple[type[BaseException], ...]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # A Redis that is full, or became a replica, refuses what it is asked; to Celery that is the end of a worker.
        self.connection_errors = (*self.connection_errors, RedisError)

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect, or try every few seconds until that is possible."""
        conn = conn.ensure_connection(
            lambda error, _: outages.note_broker(error),
            interval_start=1.0,
            interval_step=1.0,
            interval_max=AGAIN_SECONDS,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        return conn

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Close a connection that is broken, or whose server refuses."""
        _note(exc)
        super().on_connection_error_after_connected(exc)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Connect again if a server refuses a command before the first message."""
        _note(exc)


def _note(error: Exception) -> None:
    outages.note_broker(error)
    if isinstance(error, RedisError) and not isinstance(error, RedisGone):
        time.sleep(REFUSED_SECONDS)
