"""Closings in the database as well as in Redis, which may forget them, or begin empty."""

import threading
from collections.abc import Sequence

from redis.exceptions import RedisError

from apple.errors import AppleError, SlowDown
from storage.clock import SystemTimer, Timer
from storage.closings import Shut
from storage.errors import DatabaseAway
from storage.store import Store

from . import Gate, Permit

#: Apple's number for too many requests of a whole organisation: what it asks for holds for all its locations.
_ORGANISATION = 9646


class GateClosings:
    """Stores closings, and writes them into a Redis that does not have them."""

    def __init__(self, gate: Gate, store: Store, timer: Timer | None = None) -> None:
        self._gate = gate
        self._store = store
        self._timer = timer or SystemTimer()
        #: Closings that a Redis that was away does not have: a gate, until when by this process' timer, and its step.
        self._to_shut: list[tuple[str, float, int]] = []
        self._has_restored = False
        self._lock = threading.Lock()

    def keep(self, permit: Permit, error: AppleError) -> None:
        """Store that Apple closed a gate; if the answer is about a whole organisation, all its gates are closed."""
        gates = [permit.uid]
        try:
            if error.number == _ORGANISATION:
                gates = sorted({*gates, *self._store.locations.of_organisation(permit.uid)})
            self._store.closings.keep(gates, _shut(permit, error))
        except DatabaseAway:  # Redis has it all the same; the next use of the database reports the outage
            gates = [permit.uid]
        ends = self._timer.monotonic() + permit.shut_seconds
        self._shut([(gate, ends, permit.step) for gate in gates])  # its own as well: Redis may have lost it since

    def restore(self) -> None:
        """Write the closings into a Redis that was away or lost its data; then its gates may open."""
        with self._lock:
            to_shut, self._to_shut = self._to_shut, []
        self._shut(to_shut)
        unrestored = self._gate.unrestored()
        if unrestored is None and self._has_restored:
            return
        now = self._store.now()
        for closing in self._store.closings.standing().values():
            self._gate.shut(closing.gate, (closing.until - now).total_seconds(), closing.step)
        self._has_restored = True  # a Redis that was not away for this process may have been for another
        if unrestored is not None:
            self._gate.note_restored(unrestored)

    def _shut(self, closings: Sequence[tuple[str, float, int]]) -> None:
        """Shut gates in Redis; if it does not answer, this is repeated when it does."""
        for place, (gate, ends, step) in enumerate(closings):
            left = ends - self._timer.monotonic()
            try:
                if left > 0:
                    self._gate.shut(gate, left, step)
            except RedisError:
                with self._lock:
                    self._to_shut += closings[place:]
                return


def _shut(permit: Permit, error: AppleError) -> Shut:
    return Shut(
        seconds=permit.shut_seconds,
        step=permit.step,
        why=str(error),
        error=type(error).__name__,
        is_asked=isinstance(error, SlowDown) or permit.retry_after is not None,
    )
