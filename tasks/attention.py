"""Attention: a worker whose database has fallen silent takes no messages, so that others do, until it answers again.

Its tasks would hang until the deadline of their uses of the database, and each message they took would wait with them.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from storage.database import Database

from .application import app

log = logging.getLogger(__name__)

#: A use of the database that lasts longer makes one look whether it answers at all: a publish may just be long.
SLOW_SECONDS = 3.0

LOOK_SECONDS = 1.0


class Attention(threading.Thread):
    """Watches a worker's database until it is stopped."""

    def __init__(self, consumer: Any, database: Callable[[], Database]) -> None:
        super().__init__(name="attention", daemon=True)
        self._consumer = consumer
        self._database = database
        self._stopping = threading.Event()
        self._turned_away: list[str] = []
        #: When it was last seen to answer: something that is slow then is just long.
        self._answered_at = 0.0

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._look(self._database())
            except Exception:  # the outer rim of this thread
                log.exception("Looking after the database stumbled.")

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _look(self, database: Database) -> None:
        is_quick = database.longest_use() < SLOW_SECONDS or time.monotonic() - self._answered_at < SLOW_SECONDS
        if is_quick and not self._turned_away:
            return
        if database.answers():
            self._answered_at = time.monotonic()
            self._turn_back()
        elif not self._turned_away:
            self._turn_away()

    def _turn_away(self) -> None:
        self._turned_away = list(app.amqp.queues.consume_from)
        log.warning("The database is silent for this process: it takes no messages until it answers.")
        for queue in self._turned_away:
            self._consumer.call_soon(self._consumer.cancel_task_queue, queue)

    def _turn_back(self) -> None:
        if self._turned_away:
            log.warning("The database answers again: this process takes messages.")
        for queue in self._turned_away:
            self._consumer.call_soon(self._consumer.add_task_queue, queue)
        self._turned_away = []
