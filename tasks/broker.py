"""Redis as a broker, whose channels notice that they were closed, keep messages back, and count who listens.

kombu asks a closed channel to acknowledge or to give back what it had, and it fails without a connection: to
Celery that is a bug, and the end of the worker. A connection that is gone it can live with.

So that no message is lost with a worker, kombu writes each into Redis as unacknowledged when it is taken, and deletes
it there when its task is done. A message that the gate handed over is written down already: the gate keeps it until its
task ends, and hands it over again if that does not happen. So it is acknowledged in the memory of the worker alone.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual
from kombu.utils.json import dumps
from redis.exceptions import ConnectionError as RedisGone

#: How the delivery tags of messages begin that the gate handed over.
GATED = "gated-"

_kept = threading.local()


@contextlib.contextmanager
def capturing() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Keep back what this thread publishes in the block: each message with the key of its queue."""
    _kept.messages = []
    try:
        yield _kept.messages
    finally:
        _kept.messages = None


@contextlib.contextmanager
def counting_listeners() -> Iterator[list[int]]:
    """Count how many hear what this thread publishes to everybody in the block; nothing is counted by other brokers."""
    _kept.listeners = []
    try:
        yield _kept.listeners
    finally:
        _kept.listeners = None


class QoS(redis.QoS):
    """The messages that a channel took from its queues, and that are not acknowledged."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a message that was taken."""
        if delivery_tag.startswith(GATED):
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Forget a message whose task is done."""
        if delivery_tag.startswith(GATED):
            virtual.QoS.ack(self, delivery_tag)
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Forget a message, or put it back into its queue."""
        if requeue or not delivery_tag.startswith(GATED):
            super().reject(delivery_tag, requeue)
        else:
            virtual.QoS.ack(self, delivery_tag)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Put a message back into its queue."""
        if not tag.startswith(GATED):
            super().restore_by_tag(tag, client, leftmost)
            return
        message = self._delivered.get(tag)
        if message is None or tag in self._dirty:  # its task is done
            return
        raw, where = message._raw, message.delivery_info  # noqa: SLF001 - kombu itself restores it from this
        with self.pipe_or_acquire(client=client) as pipe:
            self.channel._do_restore_message(raw, where["exchange"], where["routing_key"], pipe, leftmost)  # noqa: SLF001
            pipe.execute()


class Channel(redis.Channel):
    """A channel of Redis."""

    QoS = QoS

    #: The client for what is not read from a queue, and its pool: kombu would make one for each message.
    _shared: tuple[Any, Any] | None = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        if asynchronous:
            return super()._create_client(asynchronous)
        if self._shared is None or self._shared[0] is not self.pool:  # it was closed, and opened anew
            self._shared = self.pool, super()._create_client()
        return self._shared[1]

    def _put(self, queue: str, message: dict[str, Any], **more: Any) -> None:
        kept: list[tuple[str, dict[str, Any]]] | None = getattr(_kept, "messages", None)
        if kept is None:
            super()._put(queue, message, **more)
        else:
            kept.append((self._q_for_pri(queue, self._get_message_priority(message, reverse=False)), message))

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str, **more: Any) -> None:
        counts: list[int] | None = getattr(_kept, "listeners", None)
        if counts is None:
            super()._put_fanout(exchange, message, routing_key, **more)
            return
        with self.conn_or_acquire() as client:
            counts += [
                client.publish(topic, dumps(message)) for topic in self._get_publish_topics(exchange, routing_key)
            ]

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's signature
        if self.connection.client is None:
            raise RedisGone("The connection of this channel was given up.")
        return super()._connparams(asynchronous)


class Transport(redis.Transport):
    """Redis as a broker."""

    Channel = Channel


TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__name__}"))
