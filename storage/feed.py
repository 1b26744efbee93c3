"""The feed: every insert, update and delete of the mirror, numbered in the order in which they were committed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from .crawls import Crawl
from .database import Database
from .mirrors import MIRRORS, Mirror, digest_of, dump_document
from .schema import changes, feed, locations

_ROWS_AT_ONCE = 1000

#: How many alike there are, beside the fields of a row that stands for several.
COPIES = "copies"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of the feed."""

    seq: int
    at: datetime
    location: str
    resource: str
    op: str
    key: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    crawl: int


class Feed:
    """The feed of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, seq: int, location: str | None = None) -> Iterator[Change]:
        """Give the changes after a number, oldest first, without holding them all."""
        rows = sa.select(changes, locations.c.name.label("location")).join(
            locations, locations.c.id == changes.c.location_id
        )
        if location is not None:
            rows = rows.where(locations.c.name == location)
        while True:
            with self._database.read() as connection:
                some = connection.execute(
                    rows.where(changes.c.seq > seq).order_by(changes.c.seq).limit(_ROWS_AT_ONCE)
                ).all()
            yield from (_change(row) for row in some)
            if len(some) < _ROWS_AT_ONCE:
                return
            seq = some[-1].seq


def write_feed(connection: sa.Connection, mirror: Mirror, crawl: Crawl, difference: sa.FromClause, count: int) -> None:
    """Append a difference to the feed. The counter row is taken here and held to the commit: nothing may follow it."""
    if not count:
        return
    new = shown(connection, mirror, difference)
    columns = {
        "at": sa.literal(datetime.now(UTC), changes.c.at.type),
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


def shown(connection: sa.Connection, mirror: Mirror, table: sa.FromClause) -> Any:
    """Give the JSON of a row as the feed shows it: the record, and how many where it stands for several."""
    if not mirror.is_counted:
        return table.c.record
    if connection.dialect.name == "postgresql":
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
        location=row.location,
        resource=row.resource,
        op=row.op,
        key=_key(row.resource, after or before or {}),
        before=before,
        after=after,
        crawl=row.crawl_id,
    )
