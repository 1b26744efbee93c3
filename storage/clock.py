"""Clocks: the database's, which all hosts share; this host's; and a virtual one, which moves only when it is moved."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

#: How long an answer is counted on: a clock drifts little in this time, though it may be set by hours.
_ASK_AGAIN_SECONDS = 30.0

#: A clock that also counts while a machine sleeps, if the system has one.
_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Tells the time of day."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""


class Timer(Protocol):
    """Measures how long something takes in this process, and waits."""

    def monotonic(self) -> float:
        """Return seconds since some moment; they never go back."""

    def sleep(self, seconds: float) -> None:
        """Return after this many seconds."""


class SystemClock:
    """The clock of this host."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)


class SystemTimer:
    """The timer of this host."""

    def monotonic(self) -> float:
        """Return seconds since some moment; they never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after this many seconds."""
        time.sleep(seconds)


class VirtualClock:
    """A clock and a timer whose time passes only by `sleep`: what waits an hour takes no time at all."""

    def __init__(self, begun: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._begun = begun
        self._seconds = 0.0

    def now(self) -> datetime:
        """Return the virtual time of day."""
        return self._begun + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        """Return the virtual seconds that have passed."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._seconds += max(0.0, seconds)


class AskedClock:
    """A clock on another host: it is read now and then, and the time since is added."""

    def __init__(self, ask: Callable[[], datetime]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the time of that clock."""
        answer = self._answer
        if answer is None or _ticks() - answer[1] > _ASK_AGAIN_SECONDS:
            with self._lock:
                answer = self._refresh()
        return answer[0] + timedelta(seconds=_ticks() - answer[1])

    def _refresh(self) -> tuple[datetime, float]:
        if self._answer is None or _ticks() - self._answer[1] > _ASK_AGAIN_SECONDS:
            asked = _ticks()
            moment = self._ask()
            self._answer = moment, (asked + _ticks()) / 2  # it was read at some moment between the two
        return self._answer


def _ticks() -> float:
    return time.clock_gettime(_TICKS)
