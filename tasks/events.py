"""Events: Celery's events of tasks, which a worker sends only while somebody listens, such as Flower.

They take a fifth of the time of a worker's main thread. Flower asks for them by itself, but only five seconds after it
started, and nobody ever asks for no more of them. On Redis, whoever publishes learns how many heard it: so each worker
publishes an empty batch of events every second. With another broker, events are always sent.
"""

import logging
import threading
from typing import Any

from celery.events.event import get_exchange

from .application import app
from .broker import counting_listeners
from .outages import AWAY

log = logging.getLogger(__name__)

#: How long after its start Flower may miss a task.
LOOK_SECONDS = 1.0

#: The events of tasks, as Celery calls them together.
_TASKS = "task"


class EventSwitch(threading.Thread):
    """Switches the events of a worker on and off until it is stopped."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(name="events", daemon=True)
        self._consumer = consumer
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except (*AWAY, OSError):  # a broker that is away is reported by whoever works with it
                continue
            except Exception:  # the outermost handler of this thread
                log.exception("The listeners of events could not be counted.")

    def stop(self) -> None:
        """Stop looking."""
        self._stopping.set()

    def look(self) -> None:
        """Send the events of tasks from now on if anybody listens, otherwise none."""
        dispatcher = self._consumer.event_dispatcher
        if dispatcher is None or not dispatcher.groups:  # its connection is being made, or it sends all (`worker -E`)
            return
        if is_heard():
            dispatcher.groups.add(_TASKS)
        else:
            dispatcher.groups.discard(_TASKS)


def is_heard() -> bool:
    """Return whether anybody listens to the events of tasks; True where a broker cannot say."""
    with counting_listeners() as counts, app.producer_pool.acquire(block=True) as producer:
        exchange = get_exchange(producer.connection, name=app.conf.event_exchange)
        kind = app.conf.event_serializer
        producer.publish([], exchange=exchange, routing_key="task.multi", serializer=kind, declare=[exchange])
    return not counts or sum(counts) > 0
