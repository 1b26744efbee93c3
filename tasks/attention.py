"""Attention: a worker whose database has fallen silent takes no messages, so that others do, until it answers again.

Its tasks would hang until the deadline of their uses of the database, and each message they took would wait with them.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from storage.database import Database
from storage.errors import DatabaseAway

from .application import app

log = logging.getLogger(__name__)

#: If a use of the database takes longer, a new connection shows whether it answers: a publish may just be long.
SLOW_SECONDS = 3.0

LOOK_SECONDS = 1.0


class Attention(threading.Thread):
    """Watches a worker's database until it is stopped."""

    def __init__(self, consumer: Any, database: Callable[[], Database]) -> None:
        super().__init__(name="attention", daemon=True)
        self._consumer = consumer
        self._database = database
        self._queues = list(app.amqp.queues.consume_from)
        self._stopping = threading.Event()
        self._is_turned_away = False
        self._cancelled: set[str] = set()
        #: When it last answered: a use that is slow then is just long.
        self._answered_at = 0.0

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._turn(is_away=self._is_silent())
                self._follow()
            except Exception:  # the outermost handler of this thread
                log.exception("The database could not be watched.")

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()

    def _is_silent(self) -> bool:
        try:
            database = self._database()
        except DatabaseAway:  # this process never connected to it
            return True
        is_quick = database.longest_use() < SLOW_SECONDS or time.monotonic() - self._answered_at < SLOW_SECONDS
        if is_quick and not self._is_turned_away:
            return False
        is_silent = database.is_silent()
        if not is_silent:
            self._answered_at = time.monotonic()
        return is_silent

    def _turn(self, *, is_away: bool) -> None:
        if is_away is not self._is_turned_away:
            self._is_turned_away = is_away
            words = "is silent for this process: it takes no messages until it answers" if is_away else "answers again"
            log.warning("The database %s.", words)

    def _follow(self) -> None:
        """Pause or resume the consumer, and try again until that succeeds: its broker may be away."""
        consumer = self._consumer.task_consumer
        is_done = not self._cancelled
        if self._is_turned_away:
            is_done = consumer is None or not any(map(consumer.consuming_from, self._queues))
        if not is_done:
            self._consumer.call_soon(self._apply)

    def _apply(self) -> None:
        """Cancel queues, or consume again from those that were cancelled here; in the consumer's own thread.

        A queue that a person cancelled stays cancelled.
        """
        for queue in self._queues:
            try:
                if self._is_turned_away and self._consumer.task_consumer.consuming_from(queue):
                    self._cancelled.add(queue)
                    self._consumer.cancel_task_queue(queue)
                elif not self._is_turned_away and queue in self._cancelled:
                    self._consumer.add_task_queue(queue)
                    self._cancelled.discard(queue)
            except Exception as error:  # noqa: BLE001 - the broker is away: it is tried again in a second
                log.info("Queue %s: %s.", queue, type(error).__name__)
