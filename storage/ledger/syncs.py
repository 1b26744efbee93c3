"""Syncs: one run over a location each: it opens crawls, hands cursor streams over, and ends with its last crawl."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import sqlalchemy as sa

from ..database import Database
from ..locks import lock_crawls_of
from ..prepared import Prepared
from ..schema import crawls, locations, pages, streams, syncs, wants
from ..sql import Moment, insert_or, own_columns, pick
from ..states import UNFINISHED, CrawlKind, CrawlState, PageOutcome, Reason, SyncState, Trigger, Trouble
from .crawls import EXPIRE, REOPEN, Scope, dump_scopes, moving
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
        [row] = self._database.fetch(_OF_ID, {"of": sync_id})
        return _sync(row)

    def is_open(self, location_id: int) -> bool:
        """Return whether a location is being synced."""
        return bool(self._database.fetch(_OPEN_OF, {"of": location_id}))

    def sweep(self) -> bool:
        """Delete some crawls and syncs that have been kept long enough; return whether there may be more.

        The last crawl of a stream is kept for ever.
        """
        now = self._database.now()
        with self._database.write() as connection:
            return _sweep(connection, now)

    def open_ones(self, location_id: int | None = None) -> list[int]:
        """Return the numbers of all syncs that have not ended, or of those of a location."""
        if location_id is None:
            return [row[syncs.c.id] for row in self._database.fetch(_OPEN_ONES, {})]
        return [row[syncs.c.id] for row in self._database.fetch(_OPEN_OF, {"of": location_id})]

    def open(
        self, location_id: int, wanted: Sequence[Wanted], too_old: datetime, begun_by: Trigger = Trigger.HAND
    ) -> tuple[int, list[Opened]]:
        """Open a sync, or join the open one. An unfinished crawl is taken over, except one from before `too_old`."""
        wanted = sorted(wanted, key=_number)
        now = self._database.now()
        with self._database.write() as connection:
            left = _lock(connection, wanted)
            values = {"location_id": location_id, "wanted": [one.stream.resource for one in wanted]}
            sync_id = _join(connection, values | {"opened_at": now, "begun_by": begun_by})
            _FORGET_SENT.run(connection, {"of": location_id})
            return sync_id, [_open_crawl(connection, sync_id, one, now, left, too_old) for one in wanted]

    def go_on(self, sync: Sync, wanted: Sequence[Wanted]) -> list[Opened]:
        """Open -> open, one step on, with more to read; of several callers that saw the same step, one gets the crawls.

        A sync does not reopen a crawl of its own that failed: that would never end.
        """
        wanted = sorted(wanted, key=_number)
        now = self._database.now()
        with self._database.write() as connection:
            left = _lock(connection, wanted)
            if not _STEP_ON.run(connection, _as_seen(sync)):
                return []
            return [_open_crawl(connection, sync.id, one, now, left) for one in wanted]

    def hand_over(self, sync: Sync, paged: Sequence[str]) -> bool:
        """Hand the cursor streams over, once no paged stream is being read; True for exactly one caller."""
        return bool(self._database.fetch(_HAND_OVER, {"of": sync.id, "paged": paged}))

    def end(self, sync: Sync) -> bool:
        """Open -> ended, if all of its crawls are over."""
        now = self._database.now()
        with self._database.write() as connection:
            # The row is locked by a statement of its own: the next one then sees what others committed meanwhile.
            _LOCK.run(connection, {"of": sync.id})
            return bool(_END.run(connection, {**_as_seen(sync), "ended_at": now}))


def _as_seen(sync: Sync) -> dict[str, Any]:
    """Return the parameters of a statement that moves a sync only as the caller saw it."""
    return {"of": sync.id, "seen_step": sync.step}


def _number(wanted: Wanted) -> int:
    return wanted.stream.id


def _join(connection: sa.Connection, values: dict[str, Any]) -> int:
    [row] = _JOIN.run(connection, values)
    return int(row[syncs.c.id])


def _lock(connection: sa.Connection, wanted: Sequence[Wanted]) -> set[int]:
    """Lock streams and their crawls; return those of which something is left: the last crawl has not succeeded."""
    stream_ids = [one.stream.id for one in wanted]
    lock_crawls_of(connection, stream_ids)
    return {row[crawls.c.stream_id] for row in _LEFT.run(connection, {"these": stream_ids})}


def _open_crawl(
    connection: sa.Connection,
    sync_id: int,
    wanted: Wanted,
    now: datetime,
    left: Container[int],
    too_old: datetime | None = None,
) -> Opened:
    stream_id = wanted.stream.id
    is_left = stream_id in left
    values: dict[str, Any] = {"sync_id": sync_id}
    if wanted.forced_by is not None:
        values["forced_by"] = wanted.forced_by
    found = _take_over(connection, wanted, values, too_old) if is_left else None
    if found is not None:
        return Opened(crawl_id=found, origin=Origin.FOUND)
    _note_begun(connection, wanted, now)
    reopened = _reopen(connection, wanted, too_old, values | _begun(now)) if is_left else None
    if reopened is not None:
        return Opened(crawl_id=reopened, origin=Origin.REOPENED)
    values |= {"kind": wanted.kind, "since": wanted.since, "scopes": dump_scopes(wanted.scopes)}
    values |= {"stream_id": stream_id} | _begun(now)
    made = _OPEN.run(connection, values)
    if made:
        return Opened(crawl_id=made[0][crawls.c.id], origin=Origin.NEW)
    [taken] = _TAKE_OVER.run(connection, {"stream": stream_id, "sync_id": sync_id})
    return Opened(crawl_id=taken[crawls.c.id], origin=Origin.FOUND)


def _take_over(
    connection: sa.Connection, wanted: Wanted, values: Mapping[str, Any], too_old: datetime | None
) -> int | None:
    """Take the unfinished crawl of a stream over, and return its number; end it if it is too old."""
    stream: dict[str, Any] = {"stream": wanted.stream.id}
    if too_old is not None:
        _EXPIRE.run(connection, stream | {"too_old": too_old})
    taken = _TAKE_OVER.run(connection, {**stream, **values})
    if not taken:
        return None
    if wanted.forced_by is not None and taken[0][crawls.c.kind] != CrawlKind.FULL:
        asked = {"full_wanted": wanted.forced_by, "full_after": None}  # it does not read everything: the next must
        _UPDATE_STREAM.run(connection, stream | asked)
    return int(taken[0][crawls.c.id])


def _begun(now: datetime) -> dict[str, Any]:
    return {"opened_at": now, "moved_at": now}


def _note_begun(connection: sa.Connection, wanted: Wanted, now: datetime) -> None:
    """Delete the want of a stream: a notice from here on wants the next crawl."""
    if wanted.kind is CrawlKind.SPOT:
        return
    values: dict[str, Any] = {"begun_at": now}
    if wanted.next_due is not None:
        values["due_at"] = wanted.next_due
    _UPDATE_STREAM.run(connection, {"stream": wanted.stream.id} | values)
    _FORGET_WANT.run(connection, {"stream": wanted.stream.id})


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


def _reopen(connection: sa.Connection, wanted: Wanted, too_old: datetime | None, values: dict[str, Any]) -> int | None:
    """Open the last crawl of a stream again if it asked for the same, failed lately, and stored something."""
    if too_old is None or wanted.kind is CrawlKind.SPOT:
        return None
    same = {"stream": wanted.stream.id, "same_kind": wanted.kind, "same_since": wanted.since, "too_old": too_old}
    reopened = _REOPEN.run(connection, same | values)
    if not reopened:
        return None
    crawl_id = int(reopened[0][crawls.c.id])
    _FORGET_FAILURES.run(connection, {"of": crawl_id})
    return crawl_id


_SYNC = own_columns(Sync, syncs)

# Frequent statements are built once: that costs more than executing one. Parameters that are named like columns are
# their new values.
_IT = syncs.c.id == sa.bindparam("of")
_OF_ID = Prepared(sa.select(*_SYNC.values()).where(_IT))
_EVERY_OPEN = sa.select(syncs.c.id).where(syncs.c.state == SyncState.OPEN)
_OPEN_ONES = Prepared(_EVERY_OPEN)
_OPEN_OF = Prepared(_EVERY_OPEN.where(syncs.c.location_id == sa.bindparam("of")))
_LOCK = Prepared(sa.select(syncs.c.id).where(_IT).with_for_update())
_FORGET_SENT = Prepared(sa.update(locations).where(locations.c.id == sa.bindparam("of")).values(sent_at=None))

# Each move of a sync is guarded: of several callers that saw the same sync, one makes it.
_MOVE = sa.update(syncs).where(_IT & (syncs.c.state == SyncState.OPEN)).returning(syncs.c.id)
_AS_SEEN = syncs.c.step == sa.bindparam("seen_step")
_STEP_ON = Prepared(_MOVE.where(_AS_SEEN).values(step=syncs.c.step + 1))
_PAGED = streams.c.resource.in_(sa.bindparam("paged", expanding=True))
_READ = (
    sa.select(crawls.c.id)
    .join(streams, streams.c.id == crawls.c.stream_id)
    .where((crawls.c.sync_id == sa.bindparam("of")) & (crawls.c.state == CrawlState.OPEN) & _PAGED)
)
_HANDING_OVER = _MOVE.where(~syncs.c.is_handed_over, ~_READ.exists()).values(is_handed_over=True)
_HAND_OVER = Prepared(_HANDING_OVER, lists=("paged",))
_UNFINISHED = sa.exists().where((crawls.c.sync_id == sa.bindparam("of")) & crawls.c.state.in_(UNFINISHED))
_END = Prepared(_MOVE.where(_AS_SEEN, ~_UNFINISHED).values(state=SyncState.ENDED))

_STREAM: sa.BindParameter[int] = sa.bindparam("stream")
_UPDATE_STREAM = Prepared(sa.update(streams).where(streams.c.id == _STREAM))
_FORGET_WANT = Prepared(sa.delete(wants).where(wants.c.stream_id == _STREAM))
_UNFINISHED_OF = (crawls.c.stream_id == _STREAM) & crawls.c.state.in_(UNFINISHED)
_TAKE_OVER = Prepared(sa.update(crawls).where(_UNFINISHED_OF).returning(crawls.c.id, crawls.c.kind))

#: A crawl of which nothing has moved for so long that what was read is out of date.
_TOO_OLD = sa.bindparam("too_old", type_=Moment)
_IS_MOVING = sa.exists().where((pages.c.crawl_id == crawls.c.id) & (pages.c.fetched_at >= _TOO_OLD))
_EXPIRE = Prepared(
    moving(
        EXPIRE,
        (crawls.c.stream_id == _STREAM) & (crawls.c.moved_at < _TOO_OLD) & ~_IS_MOVING,
        reason="Abandoned: nothing was read for more than an hour.",
        trouble=Trouble.AWAY,
        ended_at=crawls.c.moved_at,
    )
)

#: The streams whose last crawl is unfinished, or failed. Only a last crawl can be unfinished.
_LAST_OF = sa.select(sa.func.max(crawls.c.id)).where(crawls.c.stream_id == streams.c.id).correlate(streams)
_THESE: sa.BindParameter[int] = sa.bindparam("these", expanding=True)
_LEFT = Prepared(
    sa.select(crawls.c.stream_id)
    .join(streams, streams.c.id == crawls.c.stream_id)
    .where(
        streams.c.id.in_(_THESE),
        crawls.c.id == _LAST_OF.scalar_subquery(),
        crawls.c.state.in_((*UNFINISHED, CrawlState.FAILED)),
    ),
    lists=("these",),
)

#: The last crawl of a stream, if it asked for the same, failed lately, and stored something.
_LAST = sa.select(sa.func.max(crawls.c.id)).where(crawls.c.stream_id == _STREAM).scalar_subquery()
_IS_STORED = pages.c.outcome == PageOutcome.STORED
_LAST_ALIKE = sa.and_(
    crawls.c.id == _LAST,
    crawls.c.kind == sa.bindparam("same_kind"),
    crawls.c.since.is_not_distinct_from(sa.bindparam("same_since")),
    crawls.c.ended_at >= _TOO_OLD,
    crawls.c.trouble.in_((Trouble.AWAY, Trouble.PERSON)),
    sa.exists().where((pages.c.crawl_id == crawls.c.id) & _IS_STORED),
)
_COUNTED_ANEW: dict[str, Any] = {"restarts": 0, "rereads": 0, "revivals": 0, "round": crawls.c.round + 1}
_NOT_ENDED: dict[str, Any] = {"reason": None, "trouble": None, "error": None, "ended_at": None}
_REOPEN = Prepared(moving(REOPEN, _LAST_ALIKE, **_COUNTED_ANEW, **_NOT_ENDED))
_FORGET_FAILURES = Prepared(sa.delete(pages).where((pages.c.crawl_id == sa.bindparam("of")) & ~_IS_STORED))


def _joining(dialect: str) -> Any:
    """Return the statement that opens a sync of a location, or joins the open one."""
    statement = insert_or(dialect, syncs)
    return statement.on_conflict_do_update(
        index_elements=[syncs.c.location_id],
        index_where=sa.text("state = 'open'"),
        # A caller that decided to end it meanwhile must look again: there is more to read.
        set_={"wanted": statement.excluded.wanted, "step": syncs.c.step + 1},
    ).returning(syncs.c.id)


def _opening(dialect: str) -> Any:
    """Return the statement that opens a crawl, unless its stream has an unfinished one."""
    return insert_or(dialect, crawls).on_conflict_do_nothing().returning(crawls.c.id)


_JOIN = Prepared(_joining)
_OPEN = Prepared(_opening)


def _sync(row: Any) -> Sync:
    values = pick(row, _SYNC)
    return Sync(**values | {"state": SyncState(values["state"])})
