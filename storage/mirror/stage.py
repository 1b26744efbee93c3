"""The stage: the records of a crawl's pages in a temporary table, each key once, to be compared with the mirror."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import sqlalchemy as sa

from apple.resources import Paging

from ..ledger.crawls import Crawl
from .rows import PageRows, Places, write_rows
from .tables import MIRRORS, Mirror, Row

#: Where a staged record stood in the order of fetching: of two with one key, the one fetched last wins.
POSITION = "position"


class Stage:
    """The temporary table of one publish. It goes with the transaction, or at the latest with `drop`."""

    def __init__(self, connection: sa.Connection, mirror: Mirror) -> None:
        self._connection = connection
        self._mirror = mirror
        self.table = stage_of(mirror.resource.name)
        #: Records that came more than once, though their key allows only one: the pages were of different moments.
        self.repeated = 0
        #: What identifies the records of each page that was staged.
        self.digests: dict[int, bytes | None] = {}
        self._first_page = (0, 0)

    def fill(self, crawl: Crawl, places: Places | None = None) -> None:
        """Load the stored pages of a crawl, or of some of them the records at these places."""
        self.table.create(self._connection, checkfirst=False)
        rows = PageRows(self._connection, self._mirror, crawl, places)
        names = [column.name for column in self.table.columns]
        for block in rows.blocks():
            write_rows(self._connection, self.table.name, names, _number(block, rows.count))
        self.digests, self._first_page = rows.digests, rows.first_page
        self._ready()

    def unify(self) -> None:
        """Keep each key once, and count the duplicates."""
        key = [self.table.c[name] for name in self._mirror.key]
        # Whether the first answer of the legacy service is also its batch 1 is not known: what is in both came once.
        shown_first = sa.case((self.table.c.position.between(*self._first_page), 1), else_=0)
        again_by_rule = sa.func.max(shown_first) if self._mirror.resource.paging is Paging.BATCH else sa.literal(0)
        last = sa.func.max(self.table.c.position).label("last")
        groups = sa.select(*key, sa.func.count().label("n"), last, again_by_rule.label("by_rule"))
        repeated = groups.group_by(*key).having(sa.func.count() > 1).subquery()
        again = self._connection.execute(sa.select(repeated)).all()
        self.repeated = 0  # it may have been filled before, by fewer records
        if not again:
            return
        if self._mirror.is_counted:
            self._count(again)
        self.repeated = sum(row.n - 1 - row.by_rule for row in again if getattr(row, "standing", "") != "retired")
        self._drop_all_but_last(key)

    def drop_retired(self) -> int:
        """Delete the rows that only a consistent full crawl can count; return how many those were."""
        return self._connection.execute(sa.delete(self.table).where(self.table.c.standing == "retired")).rowcount

    def drop(self) -> None:
        """Drop the table."""
        self.table.drop(self._connection, checkfirst=False)

    def _ready(self) -> None:
        """Prepare the table for the comparison: PostgreSQL needs statistics, SQLite an index."""
        if self._connection.dialect.name != "postgresql":
            # The index is not declared with the table, whose description all publishes share.
            self._connection.exec_driver_sql(f"CREATE INDEX stage_key ON stage ({', '.join(self._mirror.key)})")

    def _count(self, again: Iterable[Any]) -> None:
        marked = sa.update(self.table).where(self.table.c.position == sa.bindparam("last"))
        counts = [{"last": row.last, "n": row.n} for row in again if row.standing == "retired"]
        if counts:
            self._connection.execute(marked.values(copies=sa.bindparam("n")), counts)

    def _drop_all_but_last(self, key: list[Any]) -> None:
        other = self.table.alias("other")
        same = [other.c[column.name] == column for column in key]
        later = sa.exists().where(*same, other.c.position > self.table.c.position)
        self._connection.execute(sa.delete(self.table).where(later))


def _number(rows: Iterator[Row], before: int) -> Iterator[Row]:
    return ((*row, position) for position, row in enumerate(rows, before + 1))


def all_new(rows: sa.FromClause) -> sa.FromClause:
    """Return rows as a difference from an empty mirror."""
    return sa.select(*rows.c, sa.literal("insert").label("op"), sa.null().label("before")).subquery("difference")


@cache
def stage_of(resource: str) -> sa.Table:
    """Return the description of a stage, built once a process: its statements are then compiled once as well."""
    return temporary("stage", MIRRORS[resource], sa.Column(POSITION, sa.Integer))


def temporary(name: str, mirror: Mirror, *more: "sa.Column[Any]") -> sa.Table:
    """Return a temporary table with a mirror's columns and others."""
    own = [sa.Column(column, mirror.table.c[column].type) for column in mirror.columns]
    return sa.Table(name, sa.MetaData(), *own, *more, prefixes=["TEMPORARY"])
