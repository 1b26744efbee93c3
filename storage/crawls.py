"""Crawls: one pass over a stream, as a state machine. A transition is one guarded UPDATE that tells if it happened."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from .database import Database
from .rows import Columns, own_columns, pick
from .schema import UNFINISHED, CrawlState, SyncState, crawls, locations, streams, syncs


@dataclass(frozen=True, kw_only=True)
class Crawl:
    """A crawl as it stands, with the names of what it reads."""

    id: int
    sync_id: int
    stream_id: int
    location_id: int
    uid: str
    resource: str
    state: CrawlState
    forced_by: str | None
    round: int
    rereads: int
    revivals: int
    base_version: str | None
    version: str | None
    total: int | None
    is_consistent: bool | None
    drift: int
    reason: str | None
    trouble: str | None
    opened_at: datetime
    moved_at: datetime

    @property
    def is_unfinished(self) -> bool:
        """Tell whether anything remains to be done."""
        return self.state in UNFINISHED


class Crawls:
    """The crawls of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, crawl_id: int) -> Crawl:
        """Give one crawl."""
        with self._database.once() as connection:
            return make_crawl(connection.execute(_select().where(crawls.c.id == crawl_id)).one())

    def some(self, crawl_ids: list[int]) -> list[Crawl]:
        """Give several crawls, in the order of their numbers."""
        with self._database.once() as connection:
            rows = connection.execute(_select().where(crawls.c.id.in_(crawl_ids)).order_by(crawls.c.id))
            return [make_crawl(row) for row in rows]

    def unfinished(self) -> list[Crawl]:
        """Give every crawl that is still to be worked on."""
        with self._database.once() as connection:
            rows = connection.execute(_select().where(crawls.c.state.in_(UNFINISHED)).order_by(crawls.c.id))
            return [make_crawl(row) for row in rows]

    def note_first(self, crawl_id: int, version: str | None, total: int | None) -> None:
        """Note what the first page says; the base version never moves once it is there."""
        with self._database.write() as connection:
            connection.execute(
                sa.update(crawls)
                .where(crawls.c.id == crawl_id)
                .values(
                    base_version=sa.func.coalesce(crawls.c.base_version, version),
                    version=version,
                    total=total,
                    moved_at=datetime.now(UTC),
                )
            )

    def begin_round(self, crawl: Crawl, *, reread: bool = False, revival: bool = False) -> bool:
        """Open -> open, one round on: true for exactly one of those who saw the same round."""
        steps = {"rereads": int(reread), "revivals": int(revival), "drift": int(reread)}
        return self._move(crawl, CrawlState.OPEN, {name: crawls.c[name] + step for name, step in steps.items()})

    def settle(self, crawl: Crawl, *, is_consistent: bool, version: str | None, total: int | None) -> bool:
        """Open -> settled."""
        values = {"is_consistent": is_consistent, "version": version, "total": total}
        return self._move(crawl, CrawlState.SETTLED, values)

    def revive_settled(self, crawl: Crawl) -> bool:
        """Settled -> settled, once more: true for exactly one of those who saw the same count of revivals."""
        here = (crawls.c.id == crawl.id) & (crawls.c.state == CrawlState.SETTLED)
        seen = crawls.c.revivals == crawl.revivals
        values = {"revivals": crawl.revivals + 1, "moved_at": datetime.now(UTC)}
        with self._database.write() as connection:
            row = connection.execute(sa.update(crawls).where(here & seen).values(values).returning(crawls.c.id))
            return row.one_or_none() is not None

    def end_unchanged(self, crawl: Crawl) -> bool:
        """Open -> unchanged: the mirror already is what Apple has."""
        with self._database.write() as connection:
            if not _end(connection, crawl, CrawlState.UNCHANGED, (CrawlState.OPEN,), {}):
                return False
            connection.execute(
                sa.update(streams)
                .where(streams.c.id == crawl.stream_id)
                .values(published_at=datetime.now(UTC), problem=None)
            )
            return True

    def fail(self, crawl: Crawl, reason: str, trouble: str) -> bool:
        """Open | settled -> failed, with its reason, which the stream shows until a crawl does better."""
        with self._database.write() as connection:
            values = {"reason": reason, "trouble": trouble}
            if not _end(connection, crawl, CrawlState.FAILED, UNFINISHED, values):
                return False
            connection.execute(sa.update(streams).where(streams.c.id == crawl.stream_id).values(problem=reason))
            return True

    def _move(self, crawl: Crawl, state: CrawlState, values: dict[str, Any]) -> bool:
        here = (crawls.c.id == crawl.id) & (crawls.c.state == CrawlState.OPEN) & (crawls.c.round == crawl.round)
        values = values | {"state": state, "round": crawl.round + 1, "moved_at": datetime.now(UTC)}
        with self._database.write() as connection:
            row = connection.execute(sa.update(crawls).where(here).values(values).returning(crawls.c.id))
            return row.one_or_none() is not None


def end_sync(connection: sa.Connection, sync_id: int) -> None:
    """Open -> ended, where the last of its crawls is over."""
    # The row is locked by a statement of its own: the next one then sees what others committed meanwhile.
    connection.execute(sa.select(syncs.c.id).where(syncs.c.id == sync_id).with_for_update())
    unfinished = sa.exists().where((crawls.c.sync_id == sync_id) & crawls.c.state.in_(UNFINISHED))
    connection.execute(
        sa.update(syncs)
        .where((syncs.c.id == sync_id) & (syncs.c.state == SyncState.OPEN) & ~unfinished)
        .values(state=SyncState.ENDED, ended_at=datetime.now(UTC))
    )


def _end(
    connection: sa.Connection,
    crawl: Crawl,
    state: CrawlState,
    before: tuple[CrawlState, ...],
    values: dict[str, Any],
) -> bool:
    now = datetime.now(UTC)
    row = connection.execute(
        sa.update(crawls)
        .where((crawls.c.id == crawl.id) & crawls.c.state.in_(before))
        .values(values | {"state": state, "moved_at": now, "ended_at": now})
        .returning(crawls.c.id)
    ).one_or_none()
    if row is None:
        return False
    end_sync(connection, crawl.sync_id)
    return True


#: Where the fields of a crawl come from.
CRAWL: Columns = {
    **own_columns(Crawl, crawls),
    "location_id": streams.c.location_id,
    "resource": streams.c.resource,
    "uid": locations.c.uid,
}


def make_crawl(row: Any) -> Crawl:
    """Make a crawl of a row."""
    values = pick(row, CRAWL)
    return Crawl(**values | {"state": CrawlState(values["state"])})


def _select() -> sa.Select[Any]:
    return (
        sa.select(*CRAWL.values())
        .join(streams, streams.c.id == crawls.c.stream_id)
        .join(locations, locations.c.id == streams.c.location_id)
    )
