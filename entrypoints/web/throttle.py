"""Throttle: how many wrong requests a source may send. Right ones are never counted: Apple's bursts are large."""

import ipaddress
from collections import OrderedDict

from storage.clock import SystemTimer, Timer

#: How many sources are remembered; the least recent are forgotten.
_SOURCES = 10_000

#: A customer has a network of this size in IPv6, and may use any address of it.
_PREFIX = 64


class Throttle:
    """Counts wrong requests."""

    def __init__(self, burst: int, per_second: float, timer: Timer | None = None) -> None:
        #: How many wrong requests a source may send at once, and a second in the long run.
        self._burst = burst
        self._per_second = per_second
        self._timer = timer or SystemTimer()
        self._sources: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def is_over(self, source: str) -> bool:
        """Return whether a source has been wrong too often."""
        return self._left(_key(source), self._timer.monotonic()) < 1

    def count(self, source: str) -> None:
        """Note that a source was wrong."""
        key, now = _key(source), self._timer.monotonic()
        self._sources[key] = (self._left(key, now) - 1, now)
        self._sources.move_to_end(key)
        if len(self._sources) > _SOURCES:
            self._sources.popitem(last=False)

    def forgive(self, source: str) -> None:
        """Take one count back: it was no mistake after all."""
        key, now = _key(source), self._timer.monotonic()
        self._sources[key] = (min(float(self._burst), self._left(key, now) + 1), now)

    def _left(self, key: str, now: float) -> float:
        left, then = self._sources.get(key, (float(self._burst), now))
        return min(float(self._burst), left + (now - then) * self._per_second)


def _key(source: str) -> str:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:  # a proxy named no address: all such clients count as one
        return ""
    if address.version == 4:  # noqa: PLR2004 - the protocol's own number
        return source
    return str(ipaddress.ip_network((address, _PREFIX), strict=False))
