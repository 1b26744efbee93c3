"""The difference between what a crawl read and what the mirror holds, as a temporary table."""

import hashlib
from functools import cache
from typing import Any

import sqlalchemy as sa

from .feed import shown
from .fingerprints import UNLIKE, row_id
from .stage import Stage, stage_of, temporary
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
        self._keep(_changed(*self._which))
        if complete is not None and self._may_lack(stage.table):
            self._keep(_gone(*self._which).where(complete))

    def compare_unlike(self) -> None:
        """Fill the table from the stage and the rows that are unlike, where all others are the same on both sides."""
        self.table.create(self._connection, checkfirst=False)
        self._keep(_changed_unlike(self._mirror.resource.name))
        self._keep(_gone_unlike(self._mirror.resource.name))

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

    @property
    def _which(self) -> tuple[str, str]:
        return self._mirror.resource.name, self._connection.dialect.name

    def _may_lack(self, staged: sa.Table) -> bool:
        """Return whether the mirror may hold a row that was not read: each key that was read is one row of either."""
        new = self.counts().get("insert", 0)
        mirror = self._mirror.table
        kept = sa.select(sa.func.count()).select_from(mirror).where(mirror.c.location_id == self._location_id)
        read = self._connection.scalar(sa.select(sa.func.count()).select_from(staged)) or 0
        return self._connection.scalar(kept) != read - new

    def _keep(self, rows: sa.Select[Any]) -> None:
        names = [column.name for column in self.table.columns]
        self._connection.execute(sa.insert(self.table).from_select(names, rows), {"here": self._location_id})


@cache
def _difference_of(resource: str) -> sa.Table:
    """Return the description of a difference's table, built once a process."""
    more = (sa.Column("op", sa.Text), sa.Column("before", sa.Text), sa.Column("lost", sa.BigInteger))
    return temporary("difference", MIRRORS[resource], *more)


#: Statements are built once: that costs as much as executing one on a small location. Their parameter is the location.
_HERE: sa.BindParameter[int] = sa.bindparam("here")


def _same(one: Any, other: Any, key: tuple[str, ...]) -> Any:
    return sa.and_(*(one.c[name] == other.c[name] for name in key))


@cache
def _changed(resource: str, dialect: str) -> sa.Select[Any]:
    """Return the statement for what is new, and for what is another than in the mirror, by one join of both."""
    mirror, staged = MIRRORS[resource], stage_of(resource)
    kept = mirror.table
    is_new = kept.c.location_id.is_(None)
    differs = staged.c.record.is_distinct_from(kept.c.record)
    lost: Any = sa.literal(0)
    if mirror.is_counted:
        differs |= staged.c.copies != kept.c.copies
        lost = sa.case((staged.c.copies < kept.c.copies, kept.c.copies - staged.c.copies), else_=0)
    own = [staged.c[name] for name in mirror.columns]
    changed = sa.select(*own, sa.case((is_new, "insert"), else_="update"), shown(dialect, mirror, kept), lost)
    same = (kept.c.location_id == _HERE) & _same(kept, staged, mirror.key)
    return changed.select_from(staged.outerjoin(kept, same)).where(is_new | differs)


@cache
def _gone(resource: str, dialect: str) -> sa.Select[Any]:
    """Return the statement for the rows of the mirror that were not read."""
    mirror, staged = MIRRORS[resource], stage_of(resource)
    kept = mirror.table
    lost = kept.c.copies if mirror.is_counted else sa.literal(1)
    gone = sa.select(
        *(kept.c[name] for name in mirror.columns), sa.literal("delete"), shown(dialect, mirror, kept), lost
    )
    same = (kept.c.location_id == _HERE) & _same(kept, staged, mirror.key)
    is_gone = (kept.c.location_id == _HERE) & staged.c[mirror.key[0]].is_(None)
    return gone.select_from(kept.outerjoin(staged, same)).where(is_gone)


def _looked_up(mirror: Mirror, rows: sa.Table, same: Any, *, is_outer: bool) -> tuple[Any, Any]:
    """Return rows beside those of the mirror that are the same, each found for itself, and the latter.

    They are few, but PostgreSQL does not know that, and would rather read the whole location.
    """
    kept = sa.select(mirror.table).where(same).limit(1).correlate(rows).lateral("kept")
    return rows.join(kept, sa.true(), isouter=is_outer), kept


@cache
def _changed_unlike(resource: str) -> sa.Select[Any]:
    """Return the statement for the staged records: each is new, or another than in the mirror."""
    mirror, staged = MIRRORS[resource], stage_of(resource)
    same = (mirror.table.c.location_id == _HERE) & _same(mirror.table, staged, mirror.key)
    beside, kept = _looked_up(mirror, staged, same, is_outer=True)
    op = sa.case((kept.c.location_id.is_(None), "insert"), else_="update")
    changed = sa.select(*(staged.c[name] for name in mirror.columns), op, kept.c.record, sa.literal(0))
    return changed.select_from(beside).where(staged.c.record.is_distinct_from(kept.c.record))


@cache
def _gone_unlike(resource: str) -> sa.Select[Any]:
    """Return the statement for the rows of the mirror that nothing was like, and that no staged record replaces."""
    mirror, staged = MIRRORS[resource], stage_of(resource)
    beside, kept = _looked_up(mirror, UNLIKE, row_id(mirror.table) == UNLIKE.c.row_id, is_outer=False)
    gone = sa.select(*(kept.c[name] for name in mirror.columns), sa.literal("delete"), kept.c.record, sa.literal(1))
    replaced = sa.select(*(staged.c[name] for name in mirror.key))
    key = sa.tuple_(*(kept.c[name] for name in mirror.key))
    return gone.select_from(beside).where(kept.c.location_id == _HERE, key.not_in(replaced))


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


def adopt_fingerprints(connection: sa.Connection, mirror: Mirror, location_id: int, stage: sa.Table) -> None:
    """Give rows that an older version wrote the fingerprints of the records that they were found equal to."""
    table = mirror.table
    theirs = [table.c[name] == stage.c[name] for name in mirror.key]
    lacks = table.c.fingerprint.is_distinct_from(stage.c.fingerprint) & (table.c.record == stage.c.record)
    adopt = sa.update(table).values(fingerprint=stage.c.fingerprint)
    connection.execute(adopt.where(table.c.location_id == location_id, lacks, *theirs))


def insert_new(connection: sa.Connection, mirror: Mirror, location_id: int, difference: sa.FromClause) -> None:
    """Insert new rows in the order of the key: the index then grows at one end."""
    key = [difference.c[name] for name in mirror.key]
    new = sa.select(sa.literal(location_id), *(difference.c[name] for name in mirror.columns))
    new = new.where(difference.c.op == "insert").order_by(*key)
    connection.execute(sa.insert(mirror.table).from_select(["location_id", *mirror.columns], new))
