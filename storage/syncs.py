"""Syncs: one round over a location, which opens its crawls and ends with the last of them."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from .crawls import end_sync
from .database import Database
from .schema import UNFINISHED, CrawlState, crawls, streams, syncs
from .streams import Stream
from .upserts import insert_or


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A stream that a sync is to read, and why it must read everything, if it must."""

    stream: Stream
    forced_by: str | None


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A crawl of a sync: opened by it, or found unfinished."""

    crawl_id: int
    is_new: bool


class Syncs:
    """The syncs of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, location_id: int, wanted: list[Wanted], too_old: datetime) -> list[Opened]:
        """Open a sync, or join the open one. An unfinished crawl is taken over, but for one from before `too_old`."""
        with self._database.write() as connection:
            _lock_crawls(connection, wanted)
            sync_id = _join(connection, location_id, [one.stream.resource for one in wanted])
            opened = [_open_crawl(connection, sync_id, one, too_old) for one in wanted]
            end_sync(connection, sync_id)
            return opened


def _lock_crawls(connection: sa.Connection, wanted: list[Wanted]) -> None:
    """Lock the crawls before their sync, as a publish does: the other way round, the two would wait for each other."""
    mine = crawls.c.stream_id.in_([one.stream.id for one in wanted]) & crawls.c.state.in_(UNFINISHED)
    connection.execute(sa.select(crawls.c.id).where(mine).order_by(crawls.c.id).with_for_update())


def _join(connection: sa.Connection, location_id: int, resources: list[str]) -> int:
    row = connection.execute(
        insert_or(connection, syncs)
        .values(location_id=location_id, wanted=resources, opened_at=datetime.now(UTC))
        .on_conflict_do_update(
            index_elements=[syncs.c.location_id],
            index_where=sa.text("state = 'open'"),
            set_={"wanted": resources},
        )
        .returning(syncs.c.id)
    ).one()
    return int(row.id)


def _open_crawl(connection: sa.Connection, sync_id: int, wanted: Wanted, too_old: datetime) -> Opened:
    now = datetime.now(UTC)
    mine = crawls.c.stream_id == wanted.stream.id
    connection.execute(
        sa.update(crawls)
        .where(mine & (crawls.c.state == CrawlState.OPEN) & (crawls.c.opened_at < too_old))
        .values(state=CrawlState.FAILED, reason="Left unfinished too long ago.", trouble="away", ended_at=now)
    )
    row = connection.execute(
        insert_or(connection, crawls)
        .values(
            sync_id=sync_id,
            stream_id=wanted.stream.id,
            forced_by=wanted.forced_by,
            opened_at=now,
            moved_at=now,
        )
        .on_conflict_do_nothing()
        .returning(crawls.c.id)
    ).one_or_none()
    if row is not None:
        # What was wanted is cleared by the transaction that opens the crawl: what is wanted later wants the next.
        connection.execute(sa.update(streams).where(streams.c.id == wanted.stream.id).values(full_wanted=None))
        return Opened(crawl_id=row.id, is_new=True)
    values: dict[str, object] = {"sync_id": sync_id}
    if wanted.forced_by is not None:
        values["forced_by"] = wanted.forced_by
    found = connection.execute(
        sa.update(crawls).where(mine & crawls.c.state.in_(UNFINISHED)).values(values).returning(crawls.c.id)
    ).one()
    return Opened(crawl_id=found.id, is_new=False)
