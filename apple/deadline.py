"""Deadlines of calls: one thread a process closes the connection of each call that is not over at its deadline.

`requests` limits each read of a socket, not the whole: an answer that drips one byte at a time lives for ever. Here one
thread a process shuts the socket of an overdue call down, which ends every read and write on it at once.
"""

import contextlib
import heapq
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class TimedCall:
    """One call with a deadline. Its connection, and then its socket, are set as soon as there is one."""

    ends: float
    connection: Any = None
    #: An answer that ends with its connection takes the socket away from the connection.
    socket: Any = None
    is_over: bool = False
    was_cut: bool = False
    begun: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def left(self) -> float:
        """Return how many seconds remain."""
        return self.ends - time.monotonic()

    def is_overdue(self) -> bool:
        """Return whether the deadline has passed, even if there was no socket to shut down."""
        return self.was_cut or self.left() <= 0

    def cut(self) -> None:
        """Shut the socket down, unless the call has ended."""
        with self.lock:
            if self.is_over:
                return
            self.was_cut = True
            with contextlib.suppress(OSError, AttributeError):
                self._shut()

    def _shut(self) -> None:
        (self.socket or self.connection.sock).shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """End the call: its deadline no longer applies."""
        with self.lock:
            self.is_over = True


class Deadlines:
    """Watches the calls of one process; its thread starts with the first call."""

    def __init__(self) -> None:
        self._calls: list[tuple[float, int, TimedCall]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def over(self, call: TimedCall) -> Iterator[TimedCall]:
        """Watch a call for as long as the block lasts."""
        self.begin(call)
        try:
            yield call
        finally:
            call.end()

    def begin(self, call: TimedCall) -> None:
        """Watch a call until its `end` is called."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            heapq.heappush(self._calls, (call.ends, next(self._numbers), call))
            if self._calls[0][2] is call:
                self._changed.notify()

    def longest(self) -> float:
        """Return the age in seconds of the oldest call under way; 0 where there is none."""
        with self._changed:
            begun = [call.begun for _, _, call in self._calls if not call.is_over]
        return time.monotonic() - min(begun) if begun else 0.0

    def _watch(self) -> None:
        while True:
            with self._changed:
                while self._calls and self._calls[0][2].is_over:
                    heapq.heappop(self._calls)
                ends = self._calls[0][0] if self._calls else None
                if ends is None or ends > time.monotonic():
                    self._changed.wait(None if ends is None else ends - time.monotonic())
                    continue
                _, _, overdue = heapq.heappop(self._calls)
            overdue.cut()
