"""Progress: how far the crawls of a sync are."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..database import Database
from ..schema import crawls, feed, locations, pages, streams, syncs
from ..states import UNFINISHED, CrawlKind, CrawlState, PageOutcome, SyncState, Trouble


@dataclass(frozen=True, kw_only=True)
class ProgressReport:
    """How far one crawl is."""

    crawl_id: int
    sync_id: int
    name: str
    uid: str
    resource: str
    kind: CrawlKind
    state: CrawlState
    pages: int
    total: int | None
    records: int
    #: How many times the data moved while they were read.
    drift: int
    is_consistent: bool | None
    held_deletes: int
    inserted: int
    updated: int
    deleted: int
    reason: str | None
    trouble: Trouble | None
    error: str | None
    #: How long Apple took for an answer on average; None before the first.
    answer_seconds: float | None = field(compare=False)
    #: When it last made a transition, or Apple answered one of its requests.
    heard_at: datetime = field(compare=False)

    @property
    def is_over(self) -> bool:
        """Return whether nothing more will happen."""
        return self.state not in {CrawlState.OPEN, CrawlState.SETTLED}

    @property
    def is_in_step(self) -> bool:
        """Return whether the mirror has what this crawl was to bring."""
        return self.state in {CrawlState.PUBLISHED, CrawlState.UNCHANGED}


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """What an installation is at: two that are equal show the same."""

    #: The number of the last change of the mirror, and the id of the last crawl.
    changes: int
    last_crawl: int | None
    under_way: int
    moved_at: datetime | None


class Progress:
    """Reads progress out of the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, sync_ids: list[int]) -> tuple[list[ProgressReport], bool]:
        """Return reports of the crawls of syncs, location by location, and whether all of these syncs are over."""
        unended = sa.exists().where(syncs.c.id.in_(sync_ids) & (syncs.c.state == SyncState.OPEN))
        with self._database.read() as connection:
            is_over = not connection.scalar(sa.select(unended))
            reports = [_report(row) for row in connection.execute(_select(sync_ids))]
        return reports, is_over

    def pulse(self) -> Pulse:
        """Return what changes when a crawl begins, moves on or ends, or when the mirror changes."""
        with self._database.once() as connection:
            return Pulse(**connection.execute(_PULSE).one()._asdict())


_UNDER_WAY = crawls.c.state.in_(UNFINISHED)

#: Each part is found by an index.
_PULSE = sa.select(
    sa.select(feed.c.seq).scalar_subquery().label("changes"),
    sa.select(sa.func.max(crawls.c.id)).scalar_subquery().label("last_crawl"),
    sa.select(sa.func.count()).select_from(crawls).where(_UNDER_WAY).scalar_subquery().label("under_way"),
    sa.select(sa.func.max(crawls.c.moved_at)).where(_UNDER_WAY).scalar_subquery().label("moved_at"),
)


def _select(sync_ids: list[int]) -> sa.Select[Any]:
    mine = sa.select(crawls.c.id).where(crawls.c.sync_id.in_(sync_ids))
    stored = (
        sa.select(
            pages.c.crawl_id,
            sa.func.count().label("pages"),
            sa.func.coalesce(sa.func.sum(pages.c.records), 0).label("records"),
            sa.func.max(pages.c.total).label("total"),
            sa.func.avg(pages.c.seconds).label("answer_seconds"),
        )
        .where(pages.c.crawl_id.in_(mine) & (pages.c.outcome == PageOutcome.STORED) & (pages.c.index >= 0))
        .group_by(pages.c.crawl_id)
        .subquery()
    )
    answered_at = sa.select(sa.func.max(pages.c.fetched_at)).where(pages.c.crawl_id == crawls.c.id).scalar_subquery()
    return (
        sa.select(
            crawls,
            streams.c.resource,
            streams.c.held_deletes,
            locations.c.name,
            locations.c.uid,
            stored.c.pages,
            stored.c.records,
            stored.c.total.label("seen_total"),
            stored.c.answer_seconds,
            answered_at.label("answered_at"),
        )
        .join(streams, streams.c.id == crawls.c.stream_id)
        .join(locations, locations.c.id == streams.c.location_id)
        .outerjoin(stored, stored.c.crawl_id == crawls.c.id)
        .where(crawls.c.sync_id.in_(sync_ids))
        .order_by(locations.c.name, crawls.c.id)
    )


def _report(row: Any) -> ProgressReport:
    return ProgressReport(
        crawl_id=row.id,
        sync_id=row.sync_id,
        name=row.name,
        uid=row.uid,
        resource=row.resource,
        kind=CrawlKind(row.kind),
        state=CrawlState(row.state),
        pages=row.pages or 0,
        total=row.seen_total or row.total,
        records=int(row.records or 0),
        drift=row.drift,
        is_consistent=row.is_consistent,
        held_deletes=row.held_deletes or 0,
        inserted=row.inserted or 0,
        updated=row.updated or 0,
        deleted=row.deleted or 0,
        reason=row.reason,
        trouble=None if row.trouble is None else Trouble(row.trouble),
        error=row.error,
        answer_seconds=row.answer_seconds,
        heard_at=max(row.moved_at, row.answered_at or row.moved_at),
    )
