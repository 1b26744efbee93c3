"""The timetable: when the scheduler has a stream crawled, and how much of it. Pure.

Moments are spread over an interval by the uId of the location, so that a thousand locations do not start together, and
the streams of one location do.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.ledger.streams import Due, Stream

#: How often a stream is looked at: one request, if nothing has changed.
DELTA_EVERY = timedelta(minutes=15)

#: How often everything is listed although Apple lists changes: those show no removals, or not all.
FULL_EVERY = timedelta(days=1)

#: How often everything is read although Apple says that nothing has changed.
DEEP_EVERY = timedelta(days=7)

#: Notices arrive in bursts: the first waits this long for the others.
COLLECT = timedelta(seconds=1)

#: The least time between two syncs of a location that notices want.
GAP = timedelta(seconds=2)

#: The same while a sync is under way, between two crawls that join it.
BUSY_GAP = timedelta(seconds=10)

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """How often each kind of crawl is made, by resource; a resource that is not named has the default."""

    delta: Mapping[str, timedelta]
    full: Mapping[str, timedelta]
    deep: Mapping[str, timedelta]

    def of(self, uid: str, stream: Stream) -> "Timetable":
        """Return the timetable of a stream: its own intervals, else those of its resource."""
        return Timetable(
            uid=uid,
            delta=_seconds(stream.delta_seconds) or self.delta.get(stream.resource, DELTA_EVERY),
            full=_seconds(stream.full_seconds) or self.full.get(stream.resource, FULL_EVERY),
            deep=_seconds(stream.deep_seconds) or self.deep.get(stream.resource, DEEP_EVERY),
        )


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """When one stream is crawled."""

    uid: str
    delta: timedelta = DELTA_EVERY
    full: timedelta = FULL_EVERY
    deep: timedelta = DEEP_EVERY

    def next_due(self, now: datetime) -> datetime:
        """Return when the stream is due next."""
        return next_slot(self.uid, self.delta, now)

    def is_full_due(self, full_at: datetime | None, now: datetime) -> bool:
        """Return whether it is time to list everything."""
        return full_at is not None and next_slot(self.uid, self.full, full_at) <= now

    def is_deep_due(self, deep_at: datetime | None, now: datetime) -> bool:
        """Return whether it is time to read everything, whatever Apple says of it."""
        return deep_at is not None and next_slot(self.uid, self.deep, deep_at) <= now


def next_slot(uid: str, every: timedelta, after: datetime) -> datetime:
    """Return the next moment of a location's own: more than half an interval away, and at most one.

    They are half an interval apart: a stream keeps to them from its second crawl on, whenever it began. Example: every
    15 minutes, for a location whose moments are at 3:00 and 10:30 past each quarter. A crawl that began at 12:01 is due
    again at 12:10:30, and from then on at 12:25:30, 12:40:30, and so on. A thousand locations that were added in one
    minute are spread over half the interval by their second crawl, and no state is stored for that.
    """
    half = every / 2
    phase = half * (zlib.crc32(uid.encode()) / 2**32)
    return after + every - (after - _EPOCH - phase) % half


def patience(due: Sequence[Due], last_begun: datetime | None, now: datetime, *, is_busy: bool = False) -> timedelta:
    """Return how long a sync waits, so that a burst of notices is one sync; zero if the scheduler asked for it."""
    since = [one.wanted_since for one in due if one.wanted_since is not None]
    if len(since) < len(due) or not since:
        return timedelta()
    ready = min(since) + COLLECT
    gap = BUSY_GAP if is_busy else GAP
    if last_begun is not None and last_begun <= now:  # else another host's clock is ahead
        ready = max(ready, last_begun + gap)
    # No longer than this at a time: what is under way may end meanwhile.
    return min(max(ready - now, timedelta()), COLLECT + GAP)


def _seconds(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)
