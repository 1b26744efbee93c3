"""The stage: the records of a crawl's pages in a temporary table, each key once, to be compared with the mirror."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import sqlalchemy as sa

from apple.answers import unpack
from apple.client import BODY_LIMIT_BYTES
from apple.pages import read_page
from apple.questions import Question
from apple.resources import Paging

from ..ledger.crawls import PAGES_A_SCOPE, Crawl
from ..ledger.pages import AGAIN, Body, bodies
from .tables import MIRRORS, Mirror, Row

#: Where a staged record stood in the order of fetching: of two with one key, the one fetched last wins.
POSITION = "position"


class Stage:
    """The temporary table of one publish. It goes with the transaction, or at the latest with `drop`."""

    def __init__(self, connection: sa.Connection, mirror: Mirror) -> None:
        self._connection = connection
        self._mirror = mirror
        self.table = _stage_of(mirror.resource.name)
        self.rows = 0
        #: Records that came more than once, though their key allows only one: the pages were of different moments.
        self.repeated = 0
        #: What identifies the records of each page that was staged.
        self.digests: dict[int, bytes | None] = {}
        self._first_page = (0, 0)

    def fill(self, crawl: Crawl) -> None:
        """Load the stored pages of a crawl."""
        self.table.create(self._connection, checkfirst=False)
        for some in bodies(self._connection, crawl):  # all read before any is written: one connection
            self.digests |= {one.index: one.digest for one in some}
            self._copy(self._number(self._read(some)))
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

    def _read(self, some: list[Body]) -> Iterator[Row]:
        for one in some:
            page = read_page(_asked(self._mirror, one.index), unpack(one.packed, BODY_LIMIT_BYTES))
            if page.records is not None:
                if one.index in {0, AGAIN}:
                    self._first_page = (self.rows + 1, self.rows + len(page.records))
                yield from self._mirror.make_rows(page.records)

    def _number(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.rows += 1
            yield (*row, self.rows)

    def _copy(self, rows: Iterator[Row]) -> None:
        names = ", ".join(column.name for column in self.table.columns)
        driver: Any = self._connection.connection.driver_connection
        if self._connection.dialect.name == "postgresql":
            with driver.cursor() as cursor, cursor.copy(f"COPY stage ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * len(self.table.columns))
            driver.executemany(f"INSERT INTO stage ({names}) VALUES ({marks})", rows)  # noqa: S608 - names are ours

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


def _asked(mirror: Mirror, index: int) -> Question:
    """Return the question that a stored page answers, as far as parsing the page depends on it."""
    if index == AGAIN:
        return Question(resource=mirror.resource)
    cursor = "" if index and mirror.resource.paging is not Paging.INDEX else None
    return Question(resource=mirror.resource, index=index % PAGES_A_SCOPE, cursor=cursor)


def all_new(stage: sa.Table) -> sa.FromClause:
    """Return a stage as a difference from an empty mirror."""
    return sa.select(*stage.c, sa.literal("insert").label("op"), sa.null().label("before")).subquery("difference")


@cache
def _stage_of(resource: str) -> sa.Table:
    """Return the description of a stage, built once a process: its statements are then compiled once as well."""
    return temporary("stage", MIRRORS[resource], sa.Column(POSITION, sa.Integer))


def temporary(name: str, mirror: Mirror, *more: "sa.Column[Any]") -> sa.Table:
    """Return a temporary table with a mirror's columns and others."""
    own = [sa.Column(column, mirror.table.c[column].type) for column in mirror.columns]
    return sa.Table(name, sa.MetaData(), *own, *more, prefixes=["TEMPORARY"])
