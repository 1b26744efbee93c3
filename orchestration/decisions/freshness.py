"""Freshness: how old a stream's mirror is, and whether that is too old. Pure; lateness is never stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storage.ledger.streams import Stream
from storage.locations import Location

from .timetable import Intervals

#: A crawl takes time, and so does the scheduler: a stream is late only this long after its interval.
_LEAST_SLACK = timedelta(minutes=1)
_SLACK_SHARE = 10


class Freshness(StrEnum):
    """How fresh a stream is."""

    FRESH = "in step"
    LATE = "late"  #: it was not in step for an interval
    FAILING = "failing"  #: it was not in step for two intervals


@dataclass(frozen=True, kw_only=True)
class StreamFreshness:
    """How fresh a stream is, and by which limit."""

    location: Location
    stream: Stream
    age: timedelta
    limit: timedelta
    freshness: Freshness


def age_of(location: Location, stream: Stream, now: datetime) -> timedelta:
    """Return the age of a stream's mirror; for a stream that was never in step, the time since it was added."""
    return now - (stream.seen_at or location.added_at)


def freshness(age: timedelta, limit: timedelta) -> Freshness:
    """Judge an age by an interval."""
    slack = max(_LEAST_SLACK, limit / _SLACK_SHARE)
    if age <= limit + slack:
        return Freshness.FRESH
    return Freshness.LATE if age <= 2 * limit + slack else Freshness.FAILING


def judge_streams(
    location: Location, streams: Sequence[Stream], intervals: Intervals, now: datetime, max_age: timedelta | None = None
) -> list[StreamFreshness]:
    """Judge the streams of a location by their intervals, or by one age: what is older than that is failing."""
    verdicts = []
    for stream in streams:
        age = age_of(location, stream, now)
        limit = max_age or intervals.of(location.uid, stream).delta
        fresh = freshness(age, limit)
        if max_age is not None:
            fresh = Freshness.FRESH if age <= max_age else Freshness.FAILING
        verdicts.append(StreamFreshness(location=location, stream=stream, age=age, limit=limit, freshness=fresh))
    return verdicts
