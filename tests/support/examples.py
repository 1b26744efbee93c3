"""Examples of what the store returns: each with values of no interest, but for those that a test names."""

from datetime import UTC, datetime, timedelta

from storage.ledger.crawls import Crawl
from storage.ledger.progress import ProgressReport
from storage.ledger.streams import Stream
from storage.locations import Location
from storage.mirror.counts import Disagreement, Look
from storage.states import CrawlKind, CrawlState, LocationState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_location(**more) -> Location:
    """Make a location whose token is valid."""
    values = {"name": "hq", "uid": "1", "state": LocationState.VALID, "token_expires": NOW + timedelta(days=100)}
    values |= {"added_at": NOW, "is_watched": True}
    return Location(**dict.fromkeys(Location.__dataclass_fields__) | values | more)


def make_stream(**more) -> Stream:
    """Make a stream of assignments that was read in full an hour ago."""
    values = {"resource": "assignments", "version": "v1", "records": 100, "torn_fulls": 0, "failures": 0, "moves": 0}
    values |= {"full_at": NOW - HOUR}
    return Stream(**dict.fromkeys(Stream.__dataclass_fields__) | values | more)


def make_crawl(**more) -> Crawl:
    """Make a full crawl of assignments that was published, and consistent."""
    values = {"resource": "assignments", "kind": CrawlKind.FULL, "state": CrawlState.PUBLISHED, "is_consistent": True}
    values |= {"scopes": (), "version": "v2", "base_version": "v1", "opened_at": NOW, "moved_at": NOW, "revivals": 0}
    return Crawl(**dict.fromkeys(Crawl.__dataclass_fields__) | values | more)


def make_report(state: CrawlState = CrawlState.PUBLISHED, **more) -> ProgressReport:
    """Make a report of a crawl."""
    values = {"state": state, "held_deletes": 0, "uid": "1", "resource": "assets"}
    return ProgressReport(**dict.fromkeys(ProgressReport.__dataclass_fields__) | values | more)


def make_disagreement(
    *,
    counted: int = 12,
    listed: int = 10,
    attempts: int = 0,
    last: tuple[int, int] = (12, 10),
    again: datetime = NOW + HOUR,
) -> Disagreement:
    """Make an asset whose count disagrees, and that was looked into this many times."""
    look = Look(counted=last[0], listed=last[1], attempts=attempts, again_at=again) if attempts else None
    return Disagreement(adam_id="1", pricing_param="STDQ", counted=counted, listed=listed, last=look)
