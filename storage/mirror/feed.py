"""The feed: every insert, update and delete of the mirror, numbered in the order in which they were committed."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from ..database import Database
from ..errors import Pruned
from ..identity import digest_of, dump_document
from ..ledger.crawls import Crawl
from ..limits import allow
from ..schema import changes, feed, locations
from .tables import MIRRORS, Mirror

_ROWS_AT_ONCE = 1000

#: The member with the number of equal records, of a row that stands for several.
COPIES = "copies"


#: The longest that a publish waits for others between its moment and its numbers.
_WAITING = timedelta(minutes=10)

#: Somebody waits for the last changes; what they say is found without an index.
_LATEST_SECONDS = 10.0

#: How many changes one transaction prunes.
PRUNED_AT_ONCE = 20_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of the feed."""

    seq: int
    at: datetime
    #: The location whose stream it is; the name is the one that it has now.
    uid: str
    name: str
    resource: str
    op: str
    key: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    crawl: int


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Which feed this is, and which numbers it has: all after `pruned`, up to `last`."""

    name: str
    pruned: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Sieve:
    """Which changes of the feed are wanted; what is empty is not looked at."""

    #: The uIds of the locations.
    uids: Sequence[str] = ()
    resource: str = ""
    op: str = ""
    #: The changes that were seen from one moment on, and before another.
    since: datetime | None = None
    until: datetime | None = None
    #: The ids of the apps or books.
    adam_ids: Sequence[str] = ()
    #: The serial number or `clientUserId` of who holds something.
    holder: str = ""


class Feed:
    """The feed of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def extent(self) -> Extent:
        """Return the feed's name, the last pruned number, and the last number."""
        with self._database.once() as connection:
            row = connection.execute(sa.select(feed.c.name, feed.c.pruned, feed.c.seq.label("last"))).one()
        return Extent(**row._asdict())

    def before(self, moment: datetime) -> int:
        """Return a number before which all changes were seen before a moment.

        Numbers grow with time, so it is searched for by halves: there is no index for moments. Of publishes that wait
        for each other, the later one may have begun earlier: some minutes more than needed are left.
        """
        extent, moment = self.extent(), moment - _WAITING
        low, high = extent.pruned, extent.last
        with self._database.read() as connection:
            while low < high:
                middle = (low + high + 1) // 2
                next_one = sa.select(changes.c.seq, changes.c.at).where(changes.c.seq >= middle).order_by(changes.c.seq)
                row = connection.execute(next_one.limit(1)).one_or_none()
                if row is None or row.seq > high or row.at >= moment:
                    high = middle - 1
                else:
                    low = row.seq
        return low

    def after(self, seq: int, sieve: Sieve | None = None, pruned: int | None = None) -> Iterator[Change]:
        """Return the changes after a number that are wanted, oldest first, without holding them all.

        What is pruned meanwhile raises Pruned. Whoever has compared the number with what was pruned then says so.
        """
        rows = sa.select(changes, locations.c.uid, locations.c.name).join(
            locations, locations.c.id == changes.c.location_id
        )
        rows = rows.where(*_wanted(sieve or Sieve(), self._database.engine.dialect.name))
        # A reader that begins before the kept changes was refused already.
        first = self.extent().pruned if pruned is None else pruned
        while True:
            with self._database.read() as connection:
                if connection.execute(sa.select(feed.c.pruned)).scalar_one() > max(seq, first):
                    raise Pruned(f"(up to {seq} it was read)")
                some = connection.execute(
                    rows.where(changes.c.seq > seq).order_by(changes.c.seq).limit(_ROWS_AT_ONCE)
                ).all()
            yield from (_change(row) for row in some)
            if len(some) < _ROWS_AT_ONCE:
                return
            seq = some[-1].seq

    def latest(self, sieve: Sieve, before: int | None, limit: int) -> list[Change]:
        """Return the last changes that are wanted, the newest first: those before a number, or the last of all."""
        rows = sa.select(changes, locations.c.uid, locations.c.name).join(
            locations, locations.c.id == changes.c.location_id
        )
        rows = rows.where(*_wanted(sieve, self._database.engine.dialect.name))
        if before is not None:
            rows = rows.where(changes.c.seq < before)
        with self._database.read(_LATEST_SECONDS) as connection:
            allow(connection, _LATEST_SECONDS)
            return [_change(row) for row in connection.execute(rows.order_by(changes.c.seq.desc()).limit(limit))]

    def begin_another(self) -> None:
        """Give the feed a new name: this database was restored, and its next numbers were used before."""
        with self._database.write() as connection:
            _rename(connection)

    def recognise(self) -> bool:
        """Give the feed a new name if its database is a copy of the one it began in; return whether it is."""
        with self._database.read() as connection:
            home, known = _home(connection), connection.scalar(sa.select(feed.c.home))
        if known == home:
            return False
        with self._database.write() as connection:
            known = connection.scalar(sa.select(feed.c.home).with_for_update())
            if known == home:
                return False
            connection.execute(sa.update(feed).values(home=home))
            if known:
                _rename(connection)
            return bool(known)

    def prune(self, kept: timedelta) -> bool:
        """Delete some of the changes that are older than `kept`; return whether there may be more."""
        old = self._database.now() - kept
        with self._database.write() as connection:
            first = sa.select(changes.c.seq, changes.c.at).order_by(changes.c.seq).limit(PRUNED_AT_ONCE).subquery()
            is_young = sa.select(sa.func.min(first.c.seq)).where(first.c.at >= old)
            least, end = (connection.scalar(one) for one in (is_young, sa.select(sa.func.max(first.c.seq))))
            last = end if least is None else least - 1
            if last is None:
                return False
            _note_pruned(connection, last)
            dropped = connection.execute(sa.delete(changes).where(changes.c.seq <= last)).rowcount
            if dropped:
                connection.execute(sa.update(feed).values(pruned=last))
            return dropped == PRUNED_AT_ONCE


def _note_pruned(connection: sa.Connection, last: int) -> None:
    """Note which change of each location is the last that the feed has no longer."""
    last_gone = sa.func.max(changes.c.seq).label("seq")
    gone = sa.select(changes.c.location_id, last_gone).where(changes.c.seq <= last)
    each = gone.group_by(changes.c.location_id).subquery()
    here = sa.update(locations).where(locations.c.id == each.c.location_id)
    connection.execute(here.values(pruned_seq=each.c.seq))


def _wanted(sieve: Sieve, dialect: str) -> list[Any]:
    """Return the conditions of what is wanted."""

    def says(names: Sequence[str], values: Sequence[str]) -> Any:
        """Return that a record says one of these, before the change or after it: one that lost it is about it too.

        Only what has the text anywhere is read as JSON: that takes far longer than to look for it.
        """
        records = (changes.c.after, changes.c.before)
        texts = [msgspec.json.encode(value).decode()[1:-1] for value in values]
        has_it = sa.or_(sa.false(), *(record.contains(text, autoescape=True) for record in records for text in texts))
        return has_it & sa.or_(*(said(record, name).in_(values) for record in records for name in names))

    def said(record: Any, name: str) -> Any:
        if dialect == "postgresql":
            return sa.cast(record, JSONB)[name].astext
        return sa.cast(sa.func.json_extract(record, f"$.{name}"), sa.Text)

    mine = sa.select(locations.c.id).where(locations.c.uid.in_(sieve.uids))
    conditions = (
        (sieve.uids, changes.c.location_id.in_(mine)),
        (sieve.resource, changes.c.resource == sieve.resource),
        (sieve.op, changes.c.op == sieve.op),
        (sieve.since, changes.c.at >= sa.literal(sieve.since, changes.c.at.type)),
        (sieve.until, changes.c.at < sa.literal(sieve.until, changes.c.at.type)),
        (sieve.adam_ids, says(("adamId", "adamIdStr"), sieve.adam_ids)),
        (sieve.holder, says(("serialNumber", "clientUserId", "clientUserIdStr"), [sieve.holder])),
    )
    return [condition for value, condition in conditions if value]


def _rename(connection: sa.Connection) -> None:
    connection.execute(sa.update(feed).values(name=uuid.uuid4().hex))


def _home(connection: sa.Connection) -> str:
    """Return what identifies this database; a restored dump has another identity. Empty for SQLite."""
    if connection.dialect.name != "postgresql":
        return ""
    system = sa.text("SELECT system_identifier::text FROM pg_control_system()")
    number = sa.text("SELECT oid::text FROM pg_database WHERE datname = current_database()")
    return "/".join(str(connection.scalar(one)) for one in (system, number))


def write_feed(
    connection: sa.Connection, mirror: Mirror, crawl: Crawl, difference: sa.FromClause, count: int, now: datetime
) -> None:
    """Append a difference to the feed; this is the last statement of a publish that waits for others.

    Readers keep the highest number that they have seen, so a lower number must never become visible after a higher
    one. The numbers are therefore taken from one row, by an UPDATE that locks it until the commit. Example: publishes
    A and B run side by side. A takes numbers 11 to 30; B waits for the row until A has committed, and takes 31. A
    sequence would have given B its 31 at once, B might have committed first, and a reader at 31 would never see 11 to
    30. All that is slow must be done before: while the row is held, no other publish with changes can commit.
    """
    if not count:
        return
    new = shown(connection.dialect.name, mirror, difference)
    columns = {
        "at": sa.literal(now, changes.c.at.type),
        "location_id": sa.literal(crawl.location_id),
        "resource": sa.literal(crawl.resource),
        "op": difference.c.op,
        "before": difference.c.before,
        "after": sa.case((difference.c.op == "delete", sa.null()), else_=new),
        "crawl_id": sa.literal(crawl.id),
    }
    last = connection.execute(sa.update(feed).values(seq=feed.c.seq + count).returning(feed.c.seq)).scalar_one()
    seq = sa.literal(last - count) + sa.func.row_number().over()
    connection.execute(sa.insert(changes).from_select(["seq", *columns], sa.select(seq, *columns.values())))


def shown(dialect: str, mirror: Mirror, table: sa.FromClause) -> Any:
    """Return the JSON of a row as the feed shows it: the record, and how many where it stands for several."""
    if not mirror.is_counted:
        return table.c.record
    if dialect == "postgresql":
        copies = sa.func.jsonb_build_object(COPIES, table.c.copies)
        counted: Any = sa.cast(sa.cast(table.c.record, JSONB).op("||")(copies), sa.Text)
    else:
        counted = sa.func.json_set(table.c.record, f"$.{COPIES}", table.c.copies)
    return sa.case((table.c.standing == "retired", counted), else_=table.c.record)


def _key(resource: str, record: dict[str, Any]) -> dict[str, Any]:
    mirror = MIRRORS[resource]
    if not mirror.is_counted:
        names = (mirror.fields[name] for name in mirror.key)
        return {name: record[name] for name in names if name in record}
    own = {name: value for name, value in record.items() if name != COPIES}
    if COPIES in record:
        return {"retired": digest_of(dump_document(own) or "")}
    return {"clientUserId": own["clientUserId"]}


def _change(row: Any) -> Change:
    before = None if row.before is None else msgspec.json.decode(row.before)
    after = None if row.after is None else msgspec.json.decode(row.after)
    return Change(
        seq=row.seq,
        at=row.at,
        uid=row.uid,
        name=row.name,
        resource=row.resource,
        op=row.op,
        key=_key(row.resource, after or before or {}),
        before=before,
        after=after,
        crawl=row.crawl_id,
    )
