"""A location: its token, its lists with their last crawls, its gate, and its notices."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from orchestration.decisions.health import Health
from orchestration.decisions.overview import CrawlActivity, LocationView
from orchestration.gate.memory import GateStatus
from storage.closings import Closing
from storage.ledger.history import PastCrawl
from storage.ledger.waits import Wait
from storage.locations import Location
from storage.notices import StoredNotice

from ....overview import look_at
from ....sheets import Sheet
from ..query import Query
from ..screen import Kind, NotFound, Screen

if TYPE_CHECKING:
    from tasks.services import Services

#: How many crawls of each list are shown as bars.
CRAWLS = 8

_NOTICES = 20

#: Waits of the last day are shown.
_WAITS = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class ListRow:
    """A list of the location."""

    resource: str
    standing: Health
    records: int
    version: str | None
    seen_at: datetime | None
    full_at: datetime | None
    due_at: datetime | None
    every: timedelta
    held_deletes: int
    reading: CrawlActivity | None
    #: Its last crawls, the oldest first.
    crawls: Sequence[PastCrawl]


@dataclass(frozen=True, kw_only=True)
class LocationShown:
    """What the screen shows."""

    as_of: datetime
    location: Location
    token: Health
    lists: Sequence[ListRow]
    #: How many requests are at Apple now, and so on; None while Redis does not answer.
    gate: GateStatus | None
    closing: Closing | None
    waits: Sequence[Wait]
    notices: Sequence[StoredNotice]
    notes: Sequence[str]
    is_syncing: bool


def read(services: "Services", query: Query) -> Screen:
    """Read how a location stands."""
    now = services.store.now()
    view = look_at(services, query.place("uid"))
    if view is None:
        raise NotFound(f"No location with the uId {query.place('uid')} is watched.")
    location = view.location
    crawls = services.store.history.last_of_each(location.uid, CRAWLS)
    facts = LocationShown(
        as_of=now,
        location=location,
        token=view.token,
        lists=_lists(view, crawls),
        gate=_gate(services, location.uid),
        closing=view.closing,
        waits=services.store.waits.during(location.uid, now - _WAITS, now)[::-1],
        notices=services.store.notices.last([location.name], _NOTICES, unhandled=False, unknown=False),
        notes=list(view.notes()),
        is_syncing=services.store.syncs.is_open(location.id),
    )
    return Screen(title=location.name, facts=facts, sheet=_sheet(facts.lists))


def pulse(services: "Services", query: Query) -> Hashable:
    """Return what changes when the location's crawls move on; and, since ages grow, now and then besides."""
    now = int(services.store.now().timestamp())
    gate = _gate(services, query.place("uid"))
    seen = services.store.progress.pulse()
    is_busy = gate is not None and gate.admitted > 0
    in_flight = None if gate is None else gate.in_flight
    return seen, in_flight, now // (2 if is_busy else 30)


def _lists(view: LocationView, crawls: Mapping[str, Sequence[PastCrawl]]) -> list[ListRow]:
    return [
        ListRow(
            resource=row.stream.resource,
            standing=row.standing,
            records=row.stream.records,
            version=row.stream.version,
            seen_at=row.stream.seen_at,
            full_at=row.stream.full_at,
            due_at=row.stream.due_at,
            every=row.verdict.limit,
            held_deletes=row.stream.held_deletes or 0,
            reading=row.reading,
            crawls=list(crawls.get(row.stream.resource, ()))[::-1],
        )
        for row in view.streams
    ]


def _gate(services: "Services", uid: str) -> GateStatus | None:
    try:
        return services.gate.look(uid)
    except RedisError:
        return None


def _sheet(lists: Sequence[ListRow]) -> Sheet:
    kinds = {"resource": str, "state": str, "records": int, "version": str, "seen_at": datetime, "full_at": datetime}
    kinds |= {"due_at": datetime, "every_seconds": int, "held_deletes": int, "words": str}
    rows = (
        (
            *(one.resource, one.standing.state, one.records, one.version, one.seen_at, one.full_at, one.due_at),
            *(int(one.every.total_seconds()), one.held_deletes, one.standing.words),
        )
        for one in lists
    )
    return Sheet(title="lists", kinds=kinds, rows=rows)


KIND = Kind(path="/locations/{uid}", template="location.html", read=read, pulse=pulse)
