"""The gates' memory: what Apple asked for, kept in the database too. A Redis may forget it, or begin empty."""

import threading
from collections.abc import Sequence

from redis.exceptions import RedisError

from apple.errors import AppleError
from storage.clock import SystemTimer, Timer
from storage.errors import DatabaseAway
from storage.store import Store

from . import Gate, Permit

#: Apple's number for too many requests of a whole organisation: what it asks for holds for all its locations.
_ORGANISATION = 9646


class GateClosings:
    """Keeps closings, and tells them to a Redis that does not know them."""

    def __init__(self, gate: Gate, store: Store, timer: Timer | None = None) -> None:
        self._gate = gate
        self._store = store
        self._timer = timer or SystemTimer()
        #: What a Redis that was away could not be told: a gate, until when by this process' clock, and its step.
        self._unsaid: list[tuple[str, float, int]] = []
        self._has_told = False
        self._lock = threading.Lock()

    def keep(self, permit: Permit, error: AppleError) -> None:
        """Keep that Apple closed a gate; those of the same organisation are closed with it, where it is about that."""
        gates = [permit.uid]
        try:
            if error.number == _ORGANISATION:
                gates = sorted({*gates, *self._store.locations.of_organisation(permit.uid)})
            self._store.closings.keep(gates, permit.shut_seconds, permit.step, str(error))
        except DatabaseAway:  # Redis is told all the same, and the next use of the database reports the outage
            gates = [permit.uid]
        ends = self._timer.monotonic() + permit.shut_seconds
        self._say([(gate, ends, permit.step) for gate in gates])  # its own as well: Redis may have forgotten it since

    def restore(self) -> None:
        """Write what Apple asked for into a Redis that was away or lost its data; then its gates may open."""
        with self._lock:
            unsaid, self._unsaid = self._unsaid, []
        self._say(unsaid)
        untold = self._gate.untold()
        if untold is None and self._has_told:
            return
        now = self._store.now()
        for closing in self._store.closings.standing().values():
            self._gate.shut(closing.gate, (closing.until - now).total_seconds(), closing.step)
        self._has_told = True  # one that was not away may not have heard what another process had to say
        if untold is not None:
            self._gate.note_told(untold)

    def _say(self, closings: Sequence[tuple[str, float, int]]) -> None:
        """Shut gates; what Redis does not hear now, it is told when it answers again."""
        for place, (gate, ends, step) in enumerate(closings):
            left = ends - self._timer.monotonic()
            try:
                if left > 0:
                    self._gate.shut(gate, left, step)
            except RedisError:
                with self._lock:
                    self._unsaid += closings[place:]
                return
