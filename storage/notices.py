"""Notices: stored before Apple is answered, and turned into wanted streams by a worker."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from apple.notices import Notice

from .database import Database
from .ledger.streams import want
from .prepared import Prepared
from .schema import locations, notices, streams
from .sql import insert_or, own_columns, pick

#: Notices are kept this long, for `notices list` and `notices replay`.
NOTICES_KEPT = timedelta(days=30)

#: How many notices one transaction handles.
_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class StoredNotice:
    """A notice as it is kept."""

    id: int
    uid: str
    notification_id: str
    type: str
    body: str = field(repr=False)
    received_at: datetime
    deliveries: int
    handled_at: datetime | None
    wanted: list[str] | None
    #: The name of its location; None if there is none, or none that is watched.
    name: str | None


@dataclass(frozen=True, kw_only=True)
class NoticeCounts:
    """How many notices there are of one uId and type, and when the last came."""

    uid: str
    name: str | None
    type: str
    count: int
    unhandled: int
    last_at: datetime


class Notices:
    """The notices of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def store(self, some: Sequence[Notice]) -> int:
        """Store notices, each once however often it is delivered; return how many were new."""
        times = Counter((one.uid, one.id) for one in some)
        first = {(one.uid, one.id): one for one in reversed(some)}
        now = self._database.now()
        rows = [
            {
                "uid": uid,
                "notification_id": notification_id,
                "type": first[uid, notification_id].type,
                "body": first[uid, notification_id].body,
                "received_at": now,
                "deliveries": count,
            }
            for (uid, notification_id), count in sorted(times.items())  # in one order, against deadlocks
        ]
        with self._database.write() as connection:
            statement = insert_or(connection.dialect.name, notices)
            repeated = {"deliveries": notices.c.deliveries + statement.excluded.deliveries}
            kept = statement.on_conflict_do_update(index_elements=["uid", "notification_id"], set_=repeated)
            named = (notices.c.uid, notices.c.notification_id, notices.c.deliveries)
            found = connection.execute(kept.returning(*named), rows).all()
        return sum(times[row.uid, row.notification_id] == row.deliveries for row in found)

    def handle(self, wanted_by: Callable[[str], Iterable[str]], uid: str | None = None) -> int:
        """Turn unhandled notices, all or those of a uId, into wanted streams; return how many there were."""
        is_any = (
            self._database.fetch(_UNHANDLED, {}) if uid is None else self._database.fetch(_UNHANDLED_OF, {"of": uid})
        )
        if not is_any:  # as for most syncs: a transaction that finds nothing is four round trips
            return 0
        handled = 0
        while True:
            with self._database.write() as connection:
                some = _handle(connection, wanted_by, uid, self._database.now())
            handled += some
            if some < _AT_ONCE:
                return handled

    def replay(self, names: Sequence[str] | None, since: datetime | None, ids: Sequence[str] | None) -> list[str]:
        """Mark notices as not handled, so that they are handled once more; return their uIds."""
        here: Any = sa.true()
        if names:
            here &= notices.c.uid.in_(sa.select(locations.c.uid).where(locations.c.name.in_(names)))
        if since is not None:
            here &= notices.c.received_at >= since
        if ids:
            here &= notices.c.notification_id.in_(ids)
        values: dict[str, Any] = {"handled_at": None, "wanted": None}
        with self._database.write() as connection:
            found = connection.scalars(sa.update(notices).where(here).values(values).returning(notices.c.uid))
            return list(found)

    def last(self, names: Sequence[str] | None, limit: int, *, unhandled: bool, unknown: bool) -> list[StoredNotice]:
        """Return the last notices, newest first: of some locations, not handled yet, or of a uId that is not known."""
        here: Any = sa.true()
        if names:
            here &= locations.c.name.in_(names)
        if unhandled:
            here &= notices.c.handled_at.is_(None)
        if unknown:
            here &= locations.c.id.is_(None)
        query = _with_locations(*_NOTICE.values(), locations.c.name)
        with self._database.once() as connection:
            rows = connection.execute(query.where(here).order_by(notices.c.id.desc()).limit(limit))
            return [StoredNotice(**pick(row, _NOTICE), name=row.name) for row in rows]

    def counts(self) -> list[NoticeCounts]:
        """Count all notices by uId and type."""
        unhandled = sa.func.count().filter(notices.c.handled_at.is_(None)).label("unhandled")
        counts = (sa.func.count().label("count"), unhandled, sa.func.max(notices.c.received_at).label("last_at"))
        query = _with_locations(notices.c.uid, locations.c.name, notices.c.type, *counts)
        query = query.group_by(notices.c.uid, locations.c.name, notices.c.type)
        with self._database.once() as connection:
            return [
                NoticeCounts(**row._asdict())
                for row in connection.execute(query.order_by(notices.c.uid, notices.c.type))
            ]

    def unhandled(self) -> tuple[int, datetime | None]:
        """Return the number of notices that are not handled, and the time of the oldest."""
        counts = sa.select(sa.func.count(), sa.func.min(notices.c.received_at)).where(notices.c.handled_at.is_(None))
        with self._database.once() as connection:
            count, oldest = connection.execute(counts).one()
            return count, oldest

    def sweep(self, now: datetime) -> int:
        """Delete the notices that have been kept long enough."""
        with self._database.write() as connection:
            return connection.execute(sa.delete(notices).where(notices.c.received_at < now - NOTICES_KEPT)).rowcount


def _handle(
    connection: sa.Connection, wanted_by: Callable[[str], Iterable[str]], uid: str | None, now: datetime
) -> int:
    here: Any = notices.c.handled_at.is_(None)
    if uid is not None:
        here &= notices.c.uid == uid
    # Skip rows that another worker has locked: handling them twice would only queue the stream twice.
    query = sa.select(notices.c.id, notices.c.uid, notices.c.type, notices.c.received_at).where(here)
    rows = connection.execute(query.order_by(notices.c.id).limit(_AT_ONCE).with_for_update(skip_locked=True)).all()
    uids = sorted({row.uid for row in rows})
    watched = _watched(connection, uids)
    since: dict[int, datetime] = {}
    outcomes: dict[tuple[str, str], list[str] | None] = {}
    for row in rows:
        chosen = {name: watched[row.uid][name] for name in wanted_by(row.type) if name in watched.get(row.uid, {})}
        outcomes[row.uid, row.type] = list(chosen) if row.uid in watched else None
        for stream_id in chosen.values():
            since[stream_id] = min(since.get(stream_id, row.received_at), row.received_at)
    want(connection, since)
    for (one, type_), wanted in outcomes.items():
        ids = [row.id for row in rows if (row.uid, row.type) == (one, type_)]
        values = {"handled_at": now, "wanted": wanted}
        connection.execute(sa.update(notices).where(notices.c.id.in_(ids)).values(values))
    return len(rows)


def _watched(connection: sa.Connection, uids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the numbers of the watched streams of watched locations, by uId and resource."""
    query = (
        sa.select(locations.c.uid, streams.c.resource, streams.c.id)
        .join(streams, (streams.c.location_id == locations.c.id) & streams.c.is_watched, isouter=True)
        .where(locations.c.uid.in_(uids) & locations.c.is_watched)
    )
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.uid, {})
        if row.resource is not None:
            found[row.uid][row.resource] = row.id
    return found


def _with_locations(*columns: Any) -> sa.Select[Any]:
    mine = (locations.c.uid == notices.c.uid) & locations.c.is_watched
    return sa.select(*columns).select_from(notices.outerjoin(locations, mine))


_NOTICE = own_columns(StoredNotice, notices)
_ANY = sa.select(notices.c.id).where(notices.c.handled_at.is_(None)).limit(1)
_UNHANDLED = Prepared(_ANY)
_UNHANDLED_OF = Prepared(_ANY.where(notices.c.uid == sa.bindparam("of")))
