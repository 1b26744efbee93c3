"""Metrics: what was done, counted by every process and added up in Redis.

A name and its labels make a field of one hash. Counting is in memory; the pump sends it to Redis every few seconds.
"""

import json
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

KEY = "tally"

#: The upper bounds of the buckets of a duration, in seconds.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, kw_only=True)
class Count:
    """One number."""

    name: str
    labels: Mapping[str, str]
    value: float


#: A name and its labels, in the order in which they were given: as quick to make as any key.
_Counted = tuple[str, tuple[tuple[str, str], ...]]


class Metrics:
    """What one process counted and has not sent yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[_Counted, float] = defaultdict(float)
        #: What could not be sent.
        self._unsent: dict[str, float] = {}

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Count something."""
        if by:
            with self._lock:
                self._counts[name, tuple(labels.items())] += by

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Count how long something took."""
        place = bisect_left(BUCKETS, seconds)
        bound = f"{BUCKETS[place]:g}" if place < len(BUCKETS) else "+Inf"
        self.count(f"{name}_bucket", 1, **labels, le=bound)
        self.count(f"{name}_sum", seconds, **labels)

    def take(self) -> Mapping[str, float]:
        """Return what was counted, by the fields of Redis, and reset it."""
        with self._lock:
            counts, self._counts = self._counts, defaultdict(float)
            fields, self._unsent = defaultdict(float, self._unsent), {}
        for (name, labels), value in counts.items():
            fields[_field(name, dict(labels))] += value
        return fields

    def put_back(self, counts: Mapping[str, float]) -> None:
        """Add counts that could not be sent."""
        with self._lock:
            for field, value in counts.items():
                self._unsent[field] = self._unsent.get(field, 0.0) + value


class MetricsStore:
    """What all processes counted, in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def add(self, metrics: Metrics) -> None:
        """Add what a process counted since the last time; what Redis does not store is kept for the next time."""
        counts = metrics.take()
        if not counts:
            return
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for field, value in counts.items():
                    pipeline.hincrbyfloat(KEY, field, value)
                pipeline.execute()
        except Exception:
            metrics.put_back(counts)
            raise

    def read(self) -> list[Count]:
        """Return what all processes counted."""
        fields: Any = self._redis.hgetall(KEY)
        counts = []
        for field, value in sorted(fields.items()):
            name, labels = json.loads(field)
            counts.append(Count(name=name, labels=labels, value=float(value)))
        return counts


def _field(name: str, labels: Mapping[str, str]) -> str:
    return json.dumps([name, labels], sort_keys=True)
