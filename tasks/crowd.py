"""Crowds: the messages of a chord, which are parked many at a time."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from orchestration.gate import Message
from orchestration.gate.memory import HEAD_START, IN_FLIGHT_LIMIT

#: Parks messages that are all of one gate, and publishes with a producer what the gate lets through; None for any.
Park = Callable[[Sequence[Message], Any], None]

#: As many as may run at once are parked first, so that work begins; then so many at a time: a long script keeps all
#: others waiting.
_FIRST = IN_FLIGHT_LIMIT + HEAD_START
_AT_ONCE = 60


class Crowd:
    """The messages of one chord on their way to their gate."""

    def __init__(self) -> None:
        self._waiting: list[Message] = []
        self._size = _FIRST
        self._park: Park = lambda *_: None

    def add(self, message: Message, park: Park, producer: Any) -> None:
        """Add a message; enough of them are parked, with the producer that the caller holds meanwhile."""
        self._waiting.append(message)
        self._park = park
        if len(self._waiting) >= self._size:
            self.flush(producer)
            self._size = _AT_ONCE

    def flush(self, producer: Any = None) -> None:
        """Park what waits. The producer of those who added it may be given back by then."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._park(waiting, producer)


_crowds = threading.local()


def present() -> Crowd | None:
    """Return the crowd that this thread gathers; None if it sends messages one by one."""
    crowd: Crowd | None = getattr(_crowds, "present", None)
    return crowd


@contextlib.contextmanager
def crowded() -> Iterator[None]:
    """Park what this thread sends in the block many at a time."""
    crowd = _crowds.present = Crowd()
    try:
        yield
    finally:
        _crowds.present = None
    crowd.flush()
