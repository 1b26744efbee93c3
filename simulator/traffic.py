"""Traffic: how many requests of a location are in flight and a second, and whether that is more than Apple allows."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

#: Apple: do not submit more than five requests simultaneously.
IN_FLIGHT_LIMIT = 5


class TooMany(Exception):
    """One request too many."""


@dataclass(kw_only=True)
class Traffic:
    """The count for one location."""

    rate: int | None = None
    in_flight: int = 0
    most_in_flight: int = 0
    #: Requests along cursors, of which there should never be two at once.
    chained: int = 0
    most_chained: int = 0
    refused: int = 0
    #: Requests with a token in a place where it does not belong.
    leaks: int = 0
    requests: int = 0
    by_resource: dict[str, int] = field(default_factory=dict)
    by_page: dict[str, int] = field(default_factory=dict)
    by_path: dict[str, int] = field(default_factory=dict)
    #: The most arrivals in any second.
    most_a_second: int = 0
    first_at: float | None = None
    last_at: float | None = None
    #: The longest time without a new request.
    longest_pause: float = 0.0
    _arrivals: deque[float] = field(default_factory=deque)

    @contextmanager
    def arrive(self, *, is_chained: bool = False) -> Iterator[None]:
        """Count a request for as long as it is being answered; one too many is refused, and remembered."""
        now = time.monotonic()
        self.requests += 1
        self.longest_pause = max(self.longest_pause, now - (self._arrivals[-1] if self._arrivals else now))
        self.first_at = self.first_at or now
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.chained += is_chained
        self.most_chained = max(self.most_chained, self.chained)
        try:
            is_too_fast = self._is_too_fast(now)
            if self.in_flight > IN_FLIGHT_LIMIT or is_too_fast:
                self.refused += 1
                raise TooMany
            yield
        finally:
            self.in_flight -= 1
            self.chained -= is_chained
            self.last_at = time.monotonic()

    def note(self, resource: str, page: str, path: str) -> int:
        """Count a request for a resource; return how many there were."""
        self.by_resource[resource] = self.by_resource.get(resource, 0) + 1
        self.by_page[page] = self.by_page.get(page, 0) + 1
        self.by_path[path] = self.by_path.get(path, 0) + 1
        return self.by_resource[resource]

    def report(self) -> dict[str, Any]:
        """Return all counts, for JSON."""
        return {
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "refused": self.refused,
            "requests": self.requests,
            "by_resource": self.by_resource,
            "by_page": self.by_page,
            "by_path": self.by_path,
            "most_chained": self.most_chained,
            "longest_pause": self.longest_pause,
            "most_a_second": self.most_a_second,
            "leaks": self.leaks,
            "seconds": (self.last_at or 0.0) - (self.first_at or 0.0),
        }

    def _is_too_fast(self, now: float) -> bool:
        self._arrivals.append(now)
        while self._arrivals[0] <= now - 1.0:
            self._arrivals.popleft()
        self.most_a_second = max(self.most_a_second, len(self._arrivals))
        return self.rate is not None and len(self._arrivals) > self.rate


@dataclass(kw_only=True)
class LookupTraffic:
    """What the service was asked."""

    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    #: How many requests brought a token where it belongs, and in a place where it does not.
    with_token: int = 0
    leaks: int = 0
    #: How many icons were asked for.
    icons: int = 0
    #: How many ids each request asked for, and in which store.
    asked: list[tuple[str, str, int]] = field(default_factory=list)
