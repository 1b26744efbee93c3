"""The clock: the database's own. The clocks of hosts differ, and moments of all hosts are compared with each other."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

#: How far the clock of a host runs away meanwhile is nothing; how far it is set may be hours.
_ASK_AGAIN_SECONDS = 30.0

#: Counts on while a machine sleeps, where the system has such a clock.
_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Whatever tells the time."""

    def now(self) -> datetime:
        """Tell the time."""


class AskedClock:
    """A clock somewhere else: asked now and then, and reckoned on from its last answer."""

    def __init__(self, ask: Callable[[], datetime]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Tell the time there."""
        answer = self._answer
        if answer is None or _ticks() - answer[1] > _ASK_AGAIN_SECONDS:
            with self._lock:
                answer = self._refresh()
        return answer[0] + timedelta(seconds=_ticks() - answer[1])

    def _refresh(self) -> tuple[datetime, float]:
        if self._answer is None or _ticks() - self._answer[1] > _ASK_AGAIN_SECONDS:
            asked = _ticks()
            moment = self._ask()
            self._answer = moment, (asked + _ticks()) / 2  # it was asked somewhere between the two
        return self._answer


def _ticks() -> float:
    return time.clock_gettime(_TICKS)
