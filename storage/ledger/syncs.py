"""Syncs: one run over a location each: it opens crawls, hands cursor streams over, and ends with its last crawl."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import sqlalchemy as sa

from ..database import Database
from ..locks import lock_crawls_of
from ..schema import crawls, locations, pages, streams, syncs, wants
from ..sql import insert_or, own_columns, pick
from ..states import UNFINISHED, CrawlKind, CrawlState, PageOutcome, Reason, SyncState, Trouble
from .crawls import EXPIRE, REOPEN, Scope, dump_scopes, move
from .streams import Stream

#: Crawls are kept this long; those that ended unchanged, of which there are many, not so long.
CRAWLS_KEPT = timedelta(days=30)
UNCHANGED_KEPT = timedelta(days=2)

#: How many rows one transaction of a sweep deletes, so that other writers need not wait.
SWEPT_AT_ONCE = 20_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A stream that a sync is to read: the kind of crawl, and why it must read everything, if it must."""

    stream: Stream
    kind: CrawlKind = CrawlKind.FULL
    since: str | None = None
    scopes: tuple[Scope, ...] = ()
    forced_by: Reason | None = None
    #: When it is due again; None if this crawl leaves its timetable as it is.
    next_due: datetime | None = None


class Origin(Enum):
    """Where a crawl of a sync comes from."""

    NEW = auto()
    FOUND = auto()  #: it was left unfinished
    REOPENED = auto()  #: it had failed, and its pages may still be current


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A crawl of a sync."""

    crawl_id: int
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class Sync:
    """A sync as it stands."""

    id: int
    location_id: int
    state: SyncState
    is_handed_over: bool
    step: int


class Syncs:
    """The syncs of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, sync_id: int) -> Sync:
        """Return one sync."""
        with self._database.once() as connection:
            return _sync(connection.execute(_OF_ID, {"of": sync_id}).one())

    def is_open(self, location_id: int) -> bool:
        """Return whether a location is being synced."""
        mine = sa.exists().where((syncs.c.location_id == location_id) & (syncs.c.state == SyncState.OPEN))
        with self._database.once() as connection:
            return bool(connection.scalar(sa.select(mine)))

    def sweep(self) -> bool:
        """Delete some crawls and syncs that have been kept long enough; return whether there may be more.

        The last crawl of a stream is kept for ever.
        """
        now = self._database.now()
        with self._database.write() as connection:
            return _sweep(connection, now)

    def open_ones(self) -> list[int]:
        """Return the numbers of all syncs that have not ended."""
        with self._database.once() as connection:
            return list(connection.scalars(_OPEN_ONES))

    def open(self, location_id: int, wanted: Sequence[Wanted], too_old: datetime) -> tuple[int, list[Opened]]:
        """Open a sync, or join the open one. An unfinished crawl is taken over, except one from before `too_old`."""
        wanted = sorted(wanted, key=_number)
        now = self._database.now()
        with self._database.write() as connection:
            lock_crawls_of(connection, [one.stream.id for one in wanted])
            sync_id = _join(connection, location_id, [one.stream.resource for one in wanted], now)
            connection.execute(sa.update(locations).where(locations.c.id == location_id).values(sent_at=None))
            return sync_id, [_open_crawl(connection, sync_id, one, now, too_old) for one in wanted]

    def go_on(self, sync: Sync, wanted: Sequence[Wanted]) -> list[Opened]:
        """Open -> open, one step on, with more to read; of several callers that saw the same step, one gets the crawls.

        A sync does not reopen a crawl of its own that failed: that would never end.
        """
        wanted = sorted(wanted, key=_number)
        now = self._database.now()
        with self._database.write() as connection:
            lock_crawls_of(connection, [one.stream.id for one in wanted])
            if not _move(connection, sync, {"step": sync.step + 1}, syncs.c.step == sync.step):
                return []
            return [_open_crawl(connection, sync.id, one, now) for one in wanted]

    def hand_over(self, sync: Sync, paged: Sequence[str]) -> bool:
        """Hand the cursor streams over, once no paged stream is being read; True for exactly one caller."""
        mine = (crawls.c.sync_id == sync.id) & (crawls.c.state == CrawlState.OPEN)
        reads = sa.select(crawls.c.id).join(streams, streams.c.id == crawls.c.stream_id)
        is_read = reads.where(mine & streams.c.resource.in_(paged)).exists()
        with self._database.write() as connection:
            return _move(connection, sync, {"is_handed_over": True}, ~syncs.c.is_handed_over, ~is_read)

    def end(self, sync: Sync) -> bool:
        """Open -> ended, if all of its crawls are over."""
        unfinished = sa.exists().where((crawls.c.sync_id == sync.id) & crawls.c.state.in_(UNFINISHED))
        values = {"state": SyncState.ENDED, "ended_at": self._database.now()}
        with self._database.write() as connection:
            # The row is locked by a statement of its own: the next one then sees what others committed meanwhile.
            connection.execute(sa.select(syncs.c.id).where(syncs.c.id == sync.id).with_for_update())
            return _move(connection, sync, values, syncs.c.step == sync.step, ~unfinished)


def _move(connection: sa.Connection, sync: Sync, values: dict[str, Any], *conditions: Any) -> bool:
    here = (syncs.c.id == sync.id) & (syncs.c.state == SyncState.OPEN)
    row = connection.execute(sa.update(syncs).where(here, *conditions).values(values).returning(syncs.c.id))
    return row.one_or_none() is not None


def _number(wanted: Wanted) -> int:
    return wanted.stream.id


def _join(connection: sa.Connection, location_id: int, resources: list[str], now: datetime) -> int:
    row = connection.execute(
        insert_or(connection.dialect.name, syncs)
        .values(location_id=location_id, wanted=resources, opened_at=now)
        .on_conflict_do_update(
            index_elements=[syncs.c.location_id],
            index_where=sa.text("state = 'open'"),
            # A caller that decided to end it meanwhile must look again: there is more to read.
            set_={"wanted": resources, "step": syncs.c.step + 1},
        )
        .returning(syncs.c.id)
    ).one()
    return int(row.id)


def _open_crawl(
    connection: sa.Connection, sync_id: int, wanted: Wanted, now: datetime, too_old: datetime | None = None
) -> Opened:
    mine = crawls.c.stream_id == wanted.stream.id
    if too_old is not None:
        _expire(connection, mine, too_old)
    values: dict[str, Any] = {"sync_id": sync_id}
    if wanted.forced_by is not None:
        values["forced_by"] = wanted.forced_by
    unfinished = sa.update(crawls).where(mine & crawls.c.state.in_(UNFINISHED))
    found = connection.execute(unfinished.values(values).returning(crawls.c.id, crawls.c.kind)).one_or_none()
    if found is not None:
        if wanted.forced_by is not None and found.kind != CrawlKind.FULL:  # it does not read everything: the next must
            asked = sa.update(streams).where(streams.c.id == wanted.stream.id)
            connection.execute(asked.values(full_wanted=wanted.forced_by, full_after=None))
        return Opened(crawl_id=found.id, origin=Origin.FOUND)
    _note_begun(connection, wanted, now)
    reopened = None if too_old is None else _reopen(connection, wanted, too_old, values | _begun(now))
    if reopened is not None:
        return Opened(crawl_id=reopened, origin=Origin.REOPENED)
    values |= {"kind": wanted.kind, "since": wanted.since, "scopes": dump_scopes(wanted.scopes)}
    values |= {"stream_id": wanted.stream.id} | _begun(now)
    row = connection.execute(
        insert_or(connection.dialect.name, crawls).values(values).on_conflict_do_nothing().returning(crawls.c.id)
    ).one_or_none()
    if row is not None:
        return Opened(crawl_id=row.id, origin=Origin.NEW)
    return Opened(
        crawl_id=connection.execute(unfinished.values(sync_id=sync_id).returning(crawls.c.id)).scalar_one(),
        origin=Origin.FOUND,
    )


def _begun(now: datetime) -> dict[str, Any]:
    return {"opened_at": now, "moved_at": now}


def _note_begun(connection: sa.Connection, wanted: Wanted, now: datetime) -> None:
    """Delete the want of a stream: a notice from here on wants the next crawl."""
    if wanted.kind is CrawlKind.SPOT:
        return
    values: dict[str, Any] = {"begun_at": now}
    if wanted.next_due is not None:
        values["due_at"] = wanted.next_due
    connection.execute(sa.update(streams).where(streams.c.id == wanted.stream.id).values(values))
    connection.execute(sa.delete(wants).where(wants.c.stream_id == wanted.stream.id))


def _sweep(connection: sa.Connection, now: datetime) -> bool:
    later = crawls.alias("later")
    is_last = ~sa.exists().where((later.c.stream_id == crawls.c.stream_id) & (later.c.id > crawls.c.id))
    is_old = crawls.c.ended_at < now - CRAWLS_KEPT
    is_old |= (crawls.c.state == CrawlState.UNCHANGED) & (crawls.c.ended_at < now - UNCHANGED_KEPT)
    is_bare = ~sa.exists().where(pages.c.crawl_id == crawls.c.id)  # pages have a time of their own
    some = sa.select(crawls.c.id).where(is_old & is_bare & ~is_last).limit(SWEPT_AT_ONCE)
    swept = connection.execute(sa.delete(crawls).where(crawls.c.id.in_(some))).rowcount
    is_empty = ~sa.exists().where(crawls.c.sync_id == syncs.c.id)
    is_over = (syncs.c.state == SyncState.ENDED) & (syncs.c.ended_at < now - UNCHANGED_KEPT)
    empty = sa.select(syncs.c.id).where(is_over & is_empty).limit(SWEPT_AT_ONCE)
    emptied = connection.execute(sa.delete(syncs).where(syncs.c.id.in_(empty))).rowcount
    return max(swept, emptied) == SWEPT_AT_ONCE


def _expire(connection: sa.Connection, mine: Any, too_old: datetime) -> None:
    """Fail a crawl of which nothing has moved for so long that what was read is out of date."""
    is_still = crawls.c.moved_at < too_old
    is_still &= ~sa.exists().where((pages.c.crawl_id == crawls.c.id) & (pages.c.fetched_at >= too_old))
    values = {
        "reason": "Abandoned: nothing was read for more than an hour.",
        "trouble": Trouble.AWAY,
        "ended_at": crawls.c.moved_at,
    }
    move(connection, EXPIRE, mine & is_still, values)


def _reopen(connection: sa.Connection, wanted: Wanted, too_old: datetime, values: dict[str, Any]) -> int | None:
    """Open the last crawl of a stream again if it asked for the same, failed lately, and stored something."""
    if wanted.kind is CrawlKind.SPOT:
        return None
    last = sa.select(sa.func.max(crawls.c.id)).where(crawls.c.stream_id == wanted.stream.id).scalar_subquery()
    same = (crawls.c.kind == wanted.kind) & crawls.c.since.is_not_distinct_from(wanted.since)
    is_young = (crawls.c.ended_at >= too_old) & crawls.c.trouble.in_((Trouble.AWAY, Trouble.PERSON))
    stored = pages.c.outcome == PageOutcome.STORED
    has_pages = sa.exists().where((pages.c.crawl_id == crawls.c.id) & stored)
    counted = {"restarts": 0, "rereads": 0, "revivals": 0, "round": crawls.c.round + 1}
    ended = {"reason": None, "trouble": None, "error": None, "ended_at": None}
    values = values | counted | ended
    row = move(connection, REOPEN, (crawls.c.id == last) & same & is_young & has_pages, values)
    if row is None:
        return None
    connection.execute(sa.delete(pages).where((pages.c.crawl_id == row.id) & ~stored))
    return int(row.id)


_SYNC = own_columns(Sync, syncs)

_OF_ID = sa.select(*_SYNC.values()).where(syncs.c.id == sa.bindparam("of"))
_OPEN_ONES = sa.select(syncs.c.id).where(syncs.c.state == SyncState.OPEN)


def _sync(row: Any) -> Sync:
    values = pick(row, _SYNC)
    return Sync(**values | {"state": SyncState(values["state"])})
