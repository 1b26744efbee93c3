"""Fingerprints: which records of a reading the mirror has not, and which rows of the mirror it does not show.

Both sides are some bytes a record, so that nothing else of what is the same on both is read, decoded or staged. Only
PostgreSQL compares so: SQLite would look through the whole mirror for each record.
"""

from functools import cache
from typing import Any

import sqlalchemy as sa

from ..ledger.crawls import Crawl
from ..ledger.pages import marks
from ..limits import limit_memory
from ..sql import Numbers
from .rows import Places
from .tables import MIRRORS, Mirror

#: A part of the join that fits into the processor's cache is joined twice as fast as a whole that does not.
_JOIN_MEMORY = "1MB"


class Fingerprints:
    """The fingerprints of one reading, and what is unlike the mirror, in temporary tables."""

    def __init__(self, connection: sa.Connection, mirror: Mirror, location_id: int) -> None:
        self._connection = connection
        self._mirror = mirror
        self._here = {"here": location_id}
        #: What identifies the records of each page, and how many records all pages have.
        self.digests: dict[int, bytes | None] = {}
        self.count = 0

    def fill(self, crawl: Crawl) -> bool:
        """Load the fingerprints of all pages, as of one moment; return False if those of a page are missing."""
        for table in (_READ, UNLIKE):
            table.create(self._connection, checkfirst=False)
        shown, limits = marks(crawl)
        self._connection.execute(sa.insert(_READ).from_select(_READ.columns.keys(), shown), limits)
        length = sa.func.cardinality(_READ.c.fingerprints)
        rows = self._connection.execute(sa.select(_READ.c.index, _READ.c.digest, length)).all()
        self.digests = {index: digest for index, digest, _ in rows}
        lengths = [number for _, _, number in rows]
        self.count = sum(number or 0 for number in lengths)
        return None not in lengths

    def compare(self) -> tuple[int, int]:
        """Find what is unlike; return how many records are new, and how many rows are gone."""
        limit_memory(self._connection, _JOIN_MEMORY)
        self._connection.execute(_finding(self._mirror.resource.name), self._here)
        page = UNLIKE.c.page
        new, both = self._connection.execute(sa.select(sa.func.count(page), sa.func.count())).one()
        return new, both - new

    def places(self) -> Places:
        """Return where the new records are."""
        rows = sa.select(UNLIKE.c.page, UNLIKE.c.place).where(UNLIKE.c.page.is_not(None))
        found: dict[int, list[int]] = {}
        for page, place in self._connection.execute(rows.order_by(UNLIKE.c.page, UNLIKE.c.place)):
            found.setdefault(page, []).append(place)
        return found

    def drop(self) -> None:
        """Drop the tables."""
        for table in (_READ, UNLIKE):
            table.drop(self._connection, checkfirst=False)


_READ = sa.Table(
    "reading",
    sa.MetaData(),
    sa.Column("index", sa.Integer),
    sa.Column("digest", sa.LargeBinary),
    sa.Column("fingerprints", Numbers),
    prefixes=["TEMPORARY"],
)


class _RowId(sa.types.UserDefinedType[str]):
    """Where PostgreSQL keeps a row, until somebody changes it: the lock of the stream is held all the while."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Name the type."""
        return "TID"


#: What is on one side alone: the page and the place of a record, or the row of the mirror.
UNLIKE = sa.Table(
    "unlike",
    sa.MetaData(),
    sa.Column("page", sa.Integer),
    sa.Column("place", sa.Integer),
    sa.Column("row_id", _RowId),
    prefixes=["TEMPORARY"],
)


def row_id(table: sa.Table) -> Any:
    """Return where a row of a table is kept."""
    return sa.literal_column(f"{table.name}.ctid")


@cache
def _finding(resource: str) -> sa.Insert:
    """Return the statement that finds what is unlike: one join of both sides by their fingerprints."""
    mirror = MIRRORS[resource].table
    each: Any = sa.func.unnest(_READ.c.fingerprints).table_valued("value", with_ordinality="ordinal", name="each")
    each = each.render_derived()
    place = each.c.ordinal - 1
    read = sa.select(_READ.c.index.label("page"), place.label("place"), each.c.value.label("fingerprint"))
    shown = read.select_from(_READ.join(each, sa.true())).subquery("shown")
    kept = sa.select(row_id(mirror).label("row_id"), mirror.c.fingerprint)
    had = kept.where(mirror.c.location_id == sa.bindparam("here")).subquery("had")
    rows = (
        sa.select(shown.c.page, shown.c.place, had.c.row_id)
        .select_from(shown.join(had, shown.c.fingerprint == had.c.fingerprint, full=True))
        .where(shown.c.page.is_(None) | had.c.row_id.is_(None))
    )
    return sa.insert(UNLIKE).from_select(UNLIKE.columns.keys(), rows)
