"""Visit notes: when somebody was last seen is written down in the background: whoever looks waits for no writer."""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from queue import Full, Queue

from storage.errors import StorageError

log = logging.getLogger(__name__)

#: A visitor is noted this often at most.
EVERY_SECONDS = 60.0

#: More wait for a slow database than this: the rest is noted the next time.
_MOST = 100


class VisitNotes:
    """Writes visits down, one after the other."""

    def __init__(self) -> None:
        self._queue: Queue[Callable[[], None]] = Queue(_MOST)
        self._noted: dict[Hashable, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, visitor: Hashable, write: Callable[[], None]) -> None:
        """Have a visit written down, unless that was done a moment ago."""
        now = time.monotonic()
        with self._lock:
            if now - self._noted.get(visitor, -EVERY_SECONDS) < EVERY_SECONDS:
                return
            if len(self._noted) > _MOST * _MOST:
                self._noted.clear()
            self._noted[visitor] = now
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="visits", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait(write)
        except Full:
            return

    def wait(self) -> None:
        """Wait until all that was to be written is."""
        self._queue.join()

    def _write(self) -> None:
        while True:
            write = self._queue.get()
            try:
                write()
            except StorageError as error:
                log.warning("A visit was not noted: %s", error)
            finally:
                self._queue.task_done()
