"""The history of crawls: why each ran, how long, and what came of it. Crawls are kept for some days; see `syncs`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..database import Database
from ..schema import crawls, locations, streams, syncs, waits
from ..sql import own_columns, pick
from ..states import CrawlKind, CrawlState, Trigger
from .waits import of_crawl


@dataclass(frozen=True, kw_only=True)
class PastCrawl:
    """One crawl, as a person looks back on it."""

    id: int
    sync_id: int
    #: The location's name and uId.
    name: str
    uid: str
    resource: str
    kind: CrawlKind
    state: CrawlState
    #: What its sync began by, and why it had to read everything; None where that is not known, or was not so.
    begun_by: Trigger | None
    forced_by: str | None
    opened_at: datetime
    ended_at: datetime | None
    #: Pages, where Apple gives their number.
    total: int | None
    #: How often the data changed meanwhile, how often it began again, and how often it lost its messages.
    drift: int
    restarts: int
    revivals: int
    #: The waits that Apple asked for meanwhile.
    waits: int
    waited_seconds: float
    is_consistent: bool | None
    inserted: int | None
    updated: int | None
    deleted: int | None
    #: Why it failed.
    reason: str | None


class History:
    """The crawls of a database, the newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def crawls(
        self,
        limit: int,
        uids: Sequence[str] = (),
        resource: str = "",
        since: datetime | None = None,
        before: int | None = None,
    ) -> Sequence[PastCrawl]:
        """Return the last crawls: of all locations, or of some; those before the one of an id, or the last of all."""
        rows = _SELECT
        if before is not None:
            rows = rows.where(crawls.c.id < before)
        if uids:
            rows = rows.where(locations.c.uid.in_(uids))
        if resource:
            rows = rows.where(streams.c.resource == resource)
        if since is not None:
            rows = rows.where(crawls.c.opened_at >= since)
        with self._database.read() as connection:
            return [_past(row) for row in connection.execute(rows.order_by(crawls.c.id.desc()).limit(limit))]

    def last_of_each(self, uid: str, count: int) -> Mapping[str, Sequence[PastCrawl]]:
        """Return the last crawls of each list of a location, the newest first; those of some assets are left out."""
        place = sa.func.row_number().over(partition_by=crawls.c.stream_id, order_by=crawls.c.id.desc())
        each = sa.select(crawls.c.id, place.label("place")).join(streams, streams.c.id == crawls.c.stream_id)
        each = each.join(locations, locations.c.id == streams.c.location_id)
        some = each.where((locations.c.uid == uid) & (crawls.c.kind != CrawlKind.SPOT)).subquery()
        rows = _SELECT.join(some, some.c.id == crawls.c.id).where(some.c.place <= count)
        found: dict[str, list[PastCrawl]] = {}
        with self._database.read() as connection:
            for row in connection.execute(rows.order_by(crawls.c.id.desc())):
                found.setdefault(row._mapping[streams.c.resource], []).append(_past(row))  # noqa: SLF001 - public
        return found

    def find(self, crawl_id: int) -> PastCrawl | None:
        """Return the crawl of an id."""
        with self._database.read() as connection:
            row = connection.execute(_SELECT.where(crawls.c.id == crawl_id)).one_or_none()
        return None if row is None else _past(row)


_PAST = {
    **own_columns(PastCrawl, crawls),
    "name": locations.c.name,
    "uid": locations.c.uid,
    "resource": streams.c.resource,
    "begun_by": syncs.c.begun_by,
}

#: These are columns of no table.
_WAITS = {
    "waits": of_crawl(sa.func.count()).label("waits"),
    "waited_seconds": of_crawl(sa.func.coalesce(sa.func.sum(waits.c.seconds), 0.0)).label("waited_seconds"),
}


_SELECT = (
    sa.select(*_PAST.values(), *_WAITS.values())
    .join(syncs, syncs.c.id == crawls.c.sync_id)
    .join(streams, streams.c.id == crawls.c.stream_id)
    .join(locations, locations.c.id == streams.c.location_id)
)


def _past(row: Any) -> PastCrawl:
    values = pick(row, _PAST) | {name: getattr(row, name) for name in _WAITS}
    begun_by = values["begun_by"]
    states = {"kind": CrawlKind(values["kind"]), "state": CrawlState(values["state"])}
    return PastCrawl(**values | states | {"begun_by": None if begun_by is None else Trigger(begun_by)})
