"""Rows: the records of a crawl's pages as they stand in a table, and the quickest way to write them there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from apple.answers import unpack
from apple.client import BODY_LIMIT_BYTES
from apple.pages import read_page
from apple.questions import Question
from apple.resources import Paging

from ..ledger.crawls import PAGES_A_SCOPE, Crawl
from ..ledger.pages import AGAIN, Body, bodies
from .tables import Mirror, Row

#: Which records of which pages are wanted, by their places there.
Places = Mapping[int, Sequence[int]]


class PageRows:
    """The rows of the pages of one crawl: of all that count, or of the records at some places alone."""

    def __init__(self, connection: sa.Connection, mirror: Mirror, crawl: Crawl, places: Places | None = None) -> None:
        self._connection = connection
        self._mirror = mirror
        self._crawl = crawl
        self._places = places
        self.count = 0
        #: What identifies the records of each page that was read.
        self.digests: dict[int, bytes | None] = {}
        #: Where the rows of a legacy list's first answer begin and end, counted from 1.
        self.first_page = (0, 0)

    def blocks(self) -> Iterator[Iterator[Row]]:
        """Yield the rows of some pages after those of others: each block must be used up before the next."""
        for some in bodies(self._connection, self._crawl, self._places):
            self.digests |= {one.index: one.digest for one in some}
            yield self._rows(some)

    def _rows(self, some: list[Body]) -> Iterator[Row]:
        for one in some:
            records = read_page(self._asked(one.index), unpack(one.packed, BODY_LIMIT_BYTES)).records
            if records is None:
                continue
            if self._places is not None:
                wanted = self._places[one.index]  # of a page whose place a late one took, which its digest tells
                records = records.pick([place for place in wanted if place < len(records)])
            if one.index in {0, AGAIN}:
                self.first_page = (self.count + 1, self.count + len(records))
            for row in self._mirror.make_rows(records):
                self.count += 1
                yield row

    def _asked(self, index: int) -> Question:
        """Return the question that a stored page answers, as far as parsing the page depends on it."""
        resource = self._mirror.resource
        if index == AGAIN:
            return Question(resource=resource)
        cursor = "" if index and resource.paging is not Paging.INDEX else None
        return Question(resource=resource, index=index % PAGES_A_SCOPE, cursor=cursor)


def write_rows(connection: sa.Connection, table: str, names: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows into a table; whatever they are made of has been read, for there is one connection."""
    driver: Any = connection.connection.driver_connection
    listed = ", ".join(names)
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({listed}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(names))
        driver.executemany(f"INSERT INTO {table} ({listed}) VALUES ({marks})", rows)  # noqa: S608 - names are ours
