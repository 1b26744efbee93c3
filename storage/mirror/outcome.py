"""The ending of a crawl: what its publish makes of the stream. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ..ledger.crawls import Crawl, in_step
from ..ledger.streams import Stream
from ..schema import CrawlKind

#: How long another full crawl waits after the second torn one in a row, doubled by each further one. The first is
#: followed by another with the next sync.
_TORN_SECONDS = 300.0
_TORN_LIMIT_SECONDS = 6 * 3600.0

#: When the clock has deletes that are held looked at again.
HELD_REST = timedelta(minutes=5)
LONGEST_HELD_REST = timedelta(minutes=20)


class Reason(StrEnum):
    """Why a full crawl is wanted, whatever its first page says."""

    ASKED = "asked for"
    TORN = "torn"
    HELD = "deletes held"
    RETIRED = "retired users"
    COUNTS = "counts disagree"
    DEEP = "due"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a publish found out about what was read."""

    #: Whether it is of one moment.
    is_sound: bool
    #: Deletes that were not let through, and the name of exactly those.
    held: int
    digest: str | None
    #: Retired users that a delta showed.
    retired: int


def ending(crawl: Crawl, stream: Stream, reading: Reading, now: datetime) -> dict[str, Any]:
    """Say what becomes of the stream's columns."""
    match crawl.kind:
        case CrawlKind.FULL:
            return _after_full(crawl, stream, reading, now)
        case CrawlKind.DELTA:
            return _after_delta(crawl, stream, reading)
        case CrawlKind.SPOT:
            return _held(stream, reading, now) if reading.held else {}


def _after_full(crawl: Crawl, stream: Stream, reading: Reading, now: datetime) -> dict[str, Any]:
    # What the next delta goes on from: a torn reading starts where its very first answer stood.
    base = crawl.version if reading.is_sound or crawl.base_version is None else crawl.base_version
    values: dict[str, Any] = {"version": base}
    if not reading.is_sound:
        torn = stream.torn_fulls + 1
        values |= {"full_wanted": Reason.TORN, "torn_fulls": torn, "full_after": now + _wait(torn)}
        return values
    values |= {"torn_fulls": 0, "full_wanted": None, "full_after": None, "deep_at": now} | _held(stream, reading, now)
    if not reading.held:
        values |= {"complete_version": crawl.version, "full_at": now} | in_step(crawl)
    return values


def _after_delta(crawl: Crawl, stream: Stream, reading: Reading) -> dict[str, Any]:
    # One that is not of one moment may lack what moved between its pages: the next goes on from the same base.
    values: dict[str, Any] = {}
    if reading.is_sound:
        values |= {"version": crawl.version or stream.version} | in_step(crawl)
    # A list of what changed may hold what was there already: at the version of the last whole reading, all of it is.
    is_news = crawl.version is None or crawl.version != stream.complete_version
    if reading.retired and is_news and stream.full_wanted is None:
        values |= {"full_wanted": Reason.RETIRED, "full_after": None}
    return values


def _held(stream: Stream, reading: Reading, now: datetime) -> dict[str, Any]:
    if not reading.held:
        return {"held_deletes": None, "held_digest": None, "held_at": None, "accepted_deletes": None}
    values: dict[str, Any] = {"held_deletes": reading.held, "held_digest": reading.digest, "held_at": now}
    # Soon, so that what the second reading shows is the same story; if it never does, not so soon.
    rest = HELD_REST
    if stream.held_at is not None:
        rest = min(max(HELD_REST, 2 * (now - stream.held_at)), LONGEST_HELD_REST)
    wanted = {"full_wanted": Reason.HELD, "full_after": None, "due_at": now + rest}
    return values | wanted | {"accepted_deletes": None}


def _wait(torn: int) -> timedelta:
    if torn < 2:  # noqa: PLR2004 - the second in a row
        return timedelta()
    return timedelta(seconds=min(_TORN_LIMIT_SECONDS, _TORN_SECONDS * 2 ** (torn - 2)))
