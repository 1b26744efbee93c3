"""The history of crawls: why each ran, how long, and what came of it. Crawls are kept for some days; see `syncs`."""

from collections.abc import Sequence
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
        self, limit: int, uid: str = "", resource: str = "", since: datetime | None = None
    ) -> Sequence[PastCrawl]:
        """Return the last crawls: of all locations, or of one."""
        rows = sa.select(*_PAST.values(), *_WAITS.values()).join(syncs, syncs.c.id == crawls.c.sync_id)
        rows = rows.join(streams, streams.c.id == crawls.c.stream_id)
        rows = rows.join(locations, locations.c.id == streams.c.location_id)
        if uid:
            rows = rows.where(locations.c.uid == uid)
        if resource:
            rows = rows.where(streams.c.resource == resource)
        if since is not None:
            rows = rows.where(crawls.c.opened_at >= since)
        with self._database.read() as connection:
            return [_past(row) for row in connection.execute(rows.order_by(crawls.c.id.desc()).limit(limit))]


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


def _past(row: Any) -> PastCrawl:
    values = pick(row, _PAST) | {name: getattr(row, name) for name in _WAITS}
    begun_by = values["begun_by"]
    states = {"kind": CrawlKind(values["kind"]), "state": CrawlState(values["state"])}
    return PastCrawl(**values | states | {"begun_by": None if begun_by is None else Trigger(begun_by)})
