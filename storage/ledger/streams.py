"""Streams: one resource of one location, and how well the mirror is in step with it."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ..database import Database
from ..locks import lock_streams
from ..prepared import Prepared
from ..schema import crawls, locations, streams, wants
from ..sql import Moment, insert_or, own_columns, pick
from ..states import UNFINISHED, Reason

#: A location whose sync was queued and not begun is queued again after this.
SENT = timedelta(seconds=30)

#: A moment this far in the future was written by a host with a wrong clock.
SKEW = timedelta(minutes=1)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A stream as it stands."""

    id: int
    location_id: int
    resource: str
    version: str | None
    complete_version: str | None
    records: int
    published_at: datetime | None
    problem: str | None
    error: str | None
    full_wanted: Reason | None
    full_after: datetime | None
    full_at: datetime | None
    torn_fulls: int
    held_deletes: int | None
    held_digest: str | None
    held_at: datetime | None
    accepted_deletes: int | None
    #: The crawl whose stored pages are exactly what the mirror has, and what identifies them; None once anything else
    #: was published.
    proof_id: int | None
    proof_digest: bytes | None
    #: The first crawl that showed all that there is; None before that.
    first_full_id: int | None
    due_at: datetime | None
    failures: int
    seen_at: datetime | None
    deep_at: datetime | None
    moves: int
    delta_seconds: int | None
    full_seconds: int | None
    deep_seconds: int | None


@dataclass(frozen=True, kw_only=True)
class Due:
    """A stream that is due and not being read."""

    resource: str
    #: When a notice first asked for it; None if only the scheduler did.
    wanted_since: datetime | None


class Streams:
    """The streams of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def watched(self, location_id: int) -> list[Stream]:
        """Return the watched streams of a location."""
        return [_stream(row) for row in self._database.fetch(_WATCHED_OF, {"of": location_id})]

    def by_location(self) -> dict[int, list[Stream]]:
        """Return all watched streams, by the number of their location."""
        found: dict[int, list[Stream]] = defaultdict(list)
        with self._database.once() as connection:
            for row in connection.execute(_WATCHED):
                found[row.location_id].append(_stream(row))
        return found

    def get(self, stream_id: int) -> Stream:
        """Return one stream."""
        [row] = self._database.fetch(_GOT, {"of": stream_id})
        return _stream(row)

    def due(self, location_id: int, now: datetime) -> list[Due]:
        """Return the due streams of a location that are not being read."""
        rows = self._database.fetch(_DUE_OF, {"of": location_id, "now": now})
        return [
            Due(resource=row[streams.c.resource], wanted_since=None if row[_IS_BY_CLOCK] else row[wants.c.since])
            for row in rows
        ]

    def claim_due(self, now: datetime, limit: int) -> list[str]:
        """Return the uIds of locations with a due stream, and note that a sync of each is sent.

        First come those that were never read, then the longest due. Until its sync begins, or seems lost, a location is
        claimed by no other call. One whose sync begins at this moment is left out.
        """
        with self._database.once() as connection:
            due = list(connection.scalars(due_locations(now, limit)))
        if not due:
            return due
        free = sa.select(locations.c.uid).where(locations.c.uid.in_(due)).with_for_update(skip_locked=True)
        with self._database.write() as connection:
            uids = connection.scalars(free).all()
            # Asked once more: a sync may have begun before the lock, and none that begins later overlooks the note.
            still = _DUE.with_only_columns(locations.c.uid).where(locations.c.uid.in_(uids), _is_free(now)).distinct()
            claimed = set(connection.scalars(still, {"now": now}))
            _note_sent(connection, claimed, now)
        return [uid for uid in due if uid in claimed]

    def release(self, uids: Sequence[str]) -> None:
        """Give up the claim of locations: their syncs could not be sent."""
        with self._database.write() as connection:
            _note_sent(connection, uids, None)

    def last_begun(self, location_id: int) -> datetime | None:
        """Return when a crawl of a location was last opened."""
        [row] = self._database.fetch(_LAST_BEGUN, {"of": location_id})
        begun_at: datetime | None = row[_BEGUN]
        return begun_at

    def is_wanted(self, location_id: int) -> bool:
        """Return whether a notice wants any stream of a location."""
        return bool(self._database.fetch(_WANTS_OF, {"of": location_id}))

    def want(self, location_id: int, resources: Collection[str], now: datetime) -> None:
        """Make streams of a location wanted, as a notice does."""
        mine = (streams.c.location_id == location_id) & streams.c.is_watched & streams.c.resource.in_(resources)
        with self._database.write() as connection:
            want(connection, dict.fromkeys(connection.scalars(sa.select(streams.c.id).where(mine)), now))

    def postpone(self, location_id: int, until: datetime) -> None:
        """Let a location rest: no stream of it is due before that moment; what notices wanted so far is due then."""
        mine = streams.c.location_id == location_id
        is_wanted = sa.exists().where(wants.c.stream_id == streams.c.id)
        is_sooner = streams.c.due_at.is_(None) | (streams.c.due_at < until)
        with self._database.write() as connection:
            lock_streams(connection, [location_id])
            connection.execute(sa.update(streams).where(mine & (is_sooner | is_wanted)).values(due_at=until))
            connection.execute(sa.delete(wants).where(wants.c.stream_id.in_(sa.select(streams.c.id).where(mine))))

    def mend_future(self, now: datetime) -> int:
        """Make streams due that a host with a wrong clock dated in the future; return how many."""
        ahead = now + SKEW
        mended = {
            name: sa.case((streams.c[name] > ahead, instead), else_=streams.c[name])
            for name, instead in (("seen_at", None), ("full_at", _LONG_AGO), ("deep_at", _LONG_AGO), ("held_at", now))
        }
        is_wrong = sa.or_(*(streams.c[name] > ahead for name in ("begun_at", *mended)))
        values = mended | {"begun_at": now, "due_at": None}
        with self._database.write() as connection:
            return connection.execute(sa.update(streams).where(is_wrong).values(values)).rowcount

    def oldest_due(self, now: datetime) -> datetime | None:
        """Return when the longest waiting stream that is due and not being read became due; None where none is."""
        waits = sa.func.min(sa.func.coalesce(streams.c.due_at, locations.c.added_at))
        with self._database.once() as connection:
            oldest: datetime | None = connection.scalar(_DUE.add_columns(waits).where(_BY_CLOCK), {"now": now})
            return oldest

    def accept_deletes(self, stream_id: int) -> None:
        """Note that a person accepts the deletes that are held."""
        here = (streams.c.id == stream_id) & streams.c.held_deletes.is_not(None)
        with self._database.write() as connection:
            connection.execute(sa.update(streams).where(here).values(accepted_deletes=streams.c.held_deletes))


def _is_resting() -> Any:
    return (streams.c.failures > 0) | streams.c.held_deletes.is_not(None)


def _is_read() -> Any:
    return sa.exists().where((crawls.c.stream_id == streams.c.id) & crawls.c.state.in_(UNFINISHED))


def due_locations(now: datetime, limit: int) -> sa.Select[Any]:
    """Return the statement for locations with a due or a wanted stream; each kind is found by an index."""
    by_clock = [streams.c.due_at.is_(None), streams.c.due_at <= now]
    since = sa.func.coalesce(streams.c.due_at, _LONG_AGO)
    branches = [_candidates(since, is_wanted=False).where(one) for one in by_clock]
    branches.append(_candidates(wants.c.since, is_wanted=True).where(~_is_resting()))
    candidates = sa.union_all(*branches).subquery()
    return (
        sa.select(locations.c.uid)
        .join(candidates, candidates.c.location_id == locations.c.id)
        .where(locations.c.is_watched & _is_free(now))
        .group_by(locations.c.uid)
        .order_by(sa.func.min(candidates.c.since), locations.c.uid)
        .limit(limit)
    )


def _is_free(now: datetime) -> Any:
    return (locations.c.sent_at > now - SENT).is_not(True)


def _candidates(since: Any, *, is_wanted: bool) -> sa.Select[Any]:
    chosen = sa.select(streams.c.location_id, sa.type_coerce(since, Moment).label("since"))
    if is_wanted:
        chosen = chosen.join(wants, wants.c.stream_id == streams.c.id)
    return chosen.where(streams.c.is_watched & ~_is_read())


def _note_sent(connection: sa.Connection, uids: Collection[str], now: datetime | None) -> None:
    connection.execute(sa.update(locations).where(locations.c.uid.in_(uids)).values(sent_at=now))


def want(connection: sa.Connection, since: dict[int, datetime]) -> None:
    """Make streams wanted; one that is wanted already keeps its moment."""
    rows = [{"stream_id": stream_id, "since": moment} for stream_id, moment in sorted(since.items())]
    if rows:
        connection.execute(insert_or(connection.dialect.name, wants).on_conflict_do_nothing(), rows)


def lock_stream(connection: sa.Connection, stream_id: int) -> Stream:
    """Return a stream as it stands, and keep it so for as long as the transaction lasts. Others may refer to it."""
    [row] = _LOCKED.run(connection, {"of": stream_id})
    return _stream(row)


_STREAM = own_columns(Stream, streams)
_WATCHED = sa.select(streams).where(streams.c.is_watched).order_by(streams.c.id)
_WATCHED_OF = Prepared(_WATCHED.where(streams.c.location_id == sa.bindparam("of")))
_OF_ID = sa.select(streams).where(streams.c.id == sa.bindparam("of"))
_MINE = sa.select(streams.c.id).where((streams.c.location_id == sa.bindparam("of")) & streams.c.is_watched)
_WANTS_OF = Prepared(sa.select(wants.c.stream_id).where(wants.c.stream_id.in_(_MINE)))
_GOT = Prepared(_OF_ID)
_LOCKED = Prepared(_OF_ID.with_for_update(key_share=True))
_BEGUN = sa.func.max(streams.c.begun_at)
_LAST_BEGUN = Prepared(sa.select(_BEGUN).where(streams.c.location_id == sa.bindparam("of")))

_BY_CLOCK = streams.c.due_at.is_(None) | (streams.c.due_at <= sa.bindparam("now", type_=Moment))
#: A stream that fails, or holds deletes, rests whatever a notice wants: the scheduler begins its next crawl.
_BY_NOTICE = wants.c.stream_id.is_not(None) & ~_is_resting()
#: The streams that are due or wanted, and not being read.
_DUE = (
    sa.select()
    .select_from(streams)
    .join(locations, locations.c.id == streams.c.location_id)
    .outerjoin(wants, wants.c.stream_id == streams.c.id)
    .where(streams.c.is_watched & locations.c.is_watched & (_BY_CLOCK | _BY_NOTICE) & ~_is_read())
)
_IS_BY_CLOCK = _BY_CLOCK.label("by_clock")
_DUE_OF = Prepared(
    _DUE.add_columns(streams.c.resource, wants.c.since, _IS_BY_CLOCK).where(locations.c.id == sa.bindparam("of"))
)


def _stream(row: Any) -> Stream:
    values = pick(row, _STREAM)
    wanted = values["full_wanted"]
    return Stream(**values | {"full_wanted": None if wanted is None else Reason(wanted)})
