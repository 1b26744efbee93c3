"""Outages: a server that is away is logged when that begins, when it ends, and now and then meanwhile."""

import logging
import threading
from dataclasses import dataclass

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from advice import explain
from orchestration.gate.gate import HOLD_LIMIT_SECONDS
from storage.clock import SystemTimer, Timer
from storage.errors import DatabaseAway, DatabaseFull

log = logging.getLogger(__name__)

#: Errors that pass by themselves.
AWAY = (DatabaseAway, RedisError, OperationalError)

#: An outage that lasts is logged again after this.
_AGAIN_SECONDS = 30.0

#: A second failure after this shows that the first was no mere hiccup: a lock, a restart.
_LASTING_SECONDS = 2.0

#: An outage is over after this long without another failure, since some uses of a server that is half away succeed. If
#: nothing can be stored, a location waits for up to a minute before the next try.
_QUIET_SECONDS = 10.0
_QUIET_FULL_SECONDS = HOLD_LIMIT_SECONDS + 10.0


@dataclass(kw_only=True)
class _Outage:
    """One server that is away."""

    words: str
    begun_at: float
    told_at: float
    seen_at: float
    #: How long no failure may come before the outage counts as over.
    quiet: float
    times: int = 1


class Outages:
    """What is away for this process."""

    def __init__(self, timer: Timer | None = None) -> None:
        self._timer = timer or SystemTimer()
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}

    def note(self, error: BaseException) -> None:
        """Note a failure because of a server that is away."""
        name, words, now = _server(error), _words(error), self._timer.monotonic()
        quiet = _QUIET_FULL_SECONDS if isinstance(error, DatabaseFull) else _QUIET_SECONDS
        with self._lock:
            known = self._outages.get(name)
            if known is None or now - known.seen_at >= known.quiet:
                self._outages[name] = _Outage(words=words, begun_at=now, told_at=now, seen_at=now, quiet=quiet)
                log.warning("%s It is tried again until it answers.", words)
                return
            known.words, known.seen_at, known.times = words, now, known.times + 1
            known.quiet = max(known.quiet, quiet)
            if now - known.told_at >= _AGAIN_SECONDS:
                log.warning("%s Still so, after %d tries.", known.words, known.times)
                known.told_at = now

    def note_broker(self, error: BaseException) -> None:
        """Note that the broker is away, whatever its client calls that."""
        if isinstance(error, AWAY):
            self.note(error)
        else:
            away = OperationalError(str(error))
            away.__cause__ = error
            self.note(away)

    def look(self) -> None:
        """Log the outages that have ended; called every few seconds."""
        now = self._timer.monotonic()
        with self._lock:
            over = [name for name, one in self._outages.items() if now - one.seen_at >= one.quiet]
            for name in over:
                log.warning("%s: no use of it fails any more.", name)
                del self._outages[name]

    def words(self) -> dict[str, str]:
        """Return what is away now, and its words; a single failure does not count yet."""
        with self._lock:
            found = self._outages.items()
            return {name: one.words for name, one in found if one.seen_at - one.begun_at >= _LASTING_SECONDS}


def _server(error: BaseException) -> str:
    if isinstance(error, DatabaseAway):
        return "The database"
    return "The broker" if isinstance(error, OperationalError) else "Redis"


def _words(error: BaseException) -> str:
    """Return what is wrong; an error of the operating system says nothing of the server, and may name paths."""
    return explain(error) if isinstance(error, AWAY) else f"{_server(error)} does not answer ({type(error).__name__})."


outages = Outages()
