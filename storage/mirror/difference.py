"""The difference between what a crawl read and what the mirror holds, as a temporary table."""

import hashlib
from functools import cache
from typing import Any

import sqlalchemy as sa

from .feed import shown
from .stage import Stage, temporary
from .tables import MIRRORS, Mirror


class Difference:
    """The rows that differ: an operation, the row as it is to be, as it was, and how many records that removes.

    A row that stands for several records removes some when their number falls, which is an update.
    """

    def __init__(self, connection: sa.Connection, mirror: Mirror, location_id: int) -> None:
        self._connection = connection
        self._mirror = mirror
        self._location_id = location_id
        self.table = _difference_of(mirror.resource.name)

    def compare(self, stage: Stage, complete: Any = None) -> None:
        """Fill the table; only rows in the part of the mirror that was read completely can be deletes."""
        self.table.create(self._connection, checkfirst=False)
        mirror, staged = self._mirror.table, stage.table
        here = mirror.c.location_id == self._location_id
        same = sa.and_(here, *(mirror.c[name] == staged.c[name] for name in self._mirror.key))
        self._keep(self._changed(staged, same))
        if complete is not None and self._may_lack(staged, here):
            absent = staged.c[self._mirror.key[0]].is_(None)
            old = [mirror.c[name] for name in self._mirror.columns]
            lost = mirror.c.copies if self._mirror.is_counted else sa.literal(1)
            gone = sa.select(*old, sa.literal("delete"), self._shown(mirror), lost)
            self._keep(gone.select_from(mirror.outerjoin(staged, same)).where(here & absent & complete))

    def counts(self) -> dict[str, int]:
        """Count the rows by operation."""
        op = self.table.c.op
        rows = self._connection.execute(sa.select(op, sa.func.count()).group_by(op))
        return {row[0]: row[1] for row in rows}

    def lost(self) -> int:
        """Count the records that would be deleted."""
        return int(self._connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(self.table.c.lost), 0))) or 0)

    def digest(self) -> str:
        """Return a digest of exactly what would be deleted."""
        key = [self.table.c[name] for name in self._mirror.key]
        rows = sa.select(*key, sa.cast(self.table.c.lost, sa.Text)).where(self.table.c.lost > 0).order_by(*key)
        digest = hashlib.blake2b(digest_size=16)
        for row in self._connection.execute(rows):
            digest.update("\0".join(row).encode() + b"\1")
        return digest.hexdigest()

    def hold(self) -> None:
        """Remove the deletes from the difference."""
        self._connection.execute(sa.delete(self.table).where(self.table.c.lost > 0))

    def drop(self) -> None:
        """Drop the table."""
        self.table.drop(self._connection, checkfirst=False)

    def _changed(self, staged: sa.Table, same: Any) -> sa.Select[Any]:
        mirror = self._mirror.table
        is_new = mirror.c.location_id.is_(None)
        differs = staged.c.record.is_distinct_from(mirror.c.record)
        lost: Any = sa.literal(0)
        if self._mirror.is_counted:
            differs |= staged.c.copies != mirror.c.copies
            lost = sa.case((staged.c.copies < mirror.c.copies, mirror.c.copies - staged.c.copies), else_=0)
        own = [staged.c[name] for name in self._mirror.columns]
        op = sa.case((is_new, "insert"), else_="update")
        changed = sa.select(*own, op, self._shown(mirror), lost).select_from(staged.outerjoin(mirror, same))
        return changed.where(is_new | differs)

    def _may_lack(self, staged: sa.Table, here: Any) -> bool:
        """Return whether the mirror may hold a row that was not read: each key that was read is one row of either."""
        new = self.counts().get("insert", 0)
        kept = self._connection.scalar(sa.select(sa.func.count()).select_from(self._mirror.table).where(here))
        read = self._connection.scalar(sa.select(sa.func.count()).select_from(staged)) or 0
        return kept != read - new

    def _keep(self, rows: sa.Select[Any]) -> None:
        names = [column.name for column in self.table.columns]
        self._connection.execute(sa.insert(self.table).from_select(names, rows))

    def _shown(self, table: sa.Table) -> Any:
        return shown(self._connection, self._mirror, table)


@cache
def _difference_of(resource: str) -> sa.Table:
    """Return the description of a difference's table, built once a process."""
    more = (sa.Column("op", sa.Text), sa.Column("before", sa.Text), sa.Column("lost", sa.BigInteger))
    return temporary("difference", MIRRORS[resource], *more)


def apply_difference(connection: sa.Connection, mirror: Mirror, location_id: int, difference: sa.Table) -> None:
    """Delete, update and insert what the difference says. Rows that do not differ are not written."""
    table = mirror.table
    here = table.c.location_id == location_id
    gone = sa.select(*(difference.c[name] for name in mirror.key)).where(difference.c.op == "delete")
    connection.execute(sa.delete(table).where(here, sa.tuple_(*(table.c[name] for name in mirror.key)).in_(gone)))
    same = sa.and_(here, *(table.c[name] == difference.c[name] for name in mirror.key))
    values = {name: difference.c[name] for name in mirror.columns if name not in mirror.key}
    connection.execute(sa.update(table).where(same, difference.c.op == "update").values(values))
    insert_new(connection, mirror, location_id, difference)


def insert_new(connection: sa.Connection, mirror: Mirror, location_id: int, difference: sa.FromClause) -> None:
    """Insert new rows in the order of the key: the index then grows at one end."""
    key = [difference.c[name] for name in mirror.key]
    new = sa.select(sa.literal(location_id), *(difference.c[name] for name in mirror.columns))
    new = new.where(difference.c.op == "insert").order_by(*key)
    connection.execute(sa.insert(mirror.table).from_select(["location_id", *mirror.columns], new))
