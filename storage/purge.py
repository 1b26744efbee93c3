"""Purge: erase everything that was stored of a location that is no longer watched."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from .audience import hook_positions
from .database import Database
from .errors import StillRead, StillWatched
from .limits import allow
from .locks import lock_streams
from .mirror.tables import MIRRORS
from .schema import (
    asset_days,
    changes,
    comparisons,
    crawls,
    disagreements,
    listings,
    locations,
    notices,
    pages,
    streams,
    syncs,
    waits,
    wants,
)
from .states import UNFINISHED

#: How many rows one transaction erases: other writers need not wait, and a purge that stops can go on.
AT_ONCE = 20_000

#: A crawl without a sign of life for this long has no request under way.
_QUIET = timedelta(minutes=2)

#: The limit for the statement that erases pages and crawls at once.
_LONG_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """How much is kept of a location."""

    records: int
    changes: int
    notices: int


class Purge:
    """Erases locations from a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def measure(self, location_id: int, uid: str) -> Holdings:
        """Return how much would be erased."""
        with self._database.read() as connection:
            records = sum(
                _count(connection, mirror.table, mirror.table.c.location_id == location_id)
                for mirror in MIRRORS.values()
            )
            return Holdings(
                records=records,
                changes=_count(connection, changes, changes.c.location_id == location_id),
                notices=_count(connection, notices, notices.c.uid == uid),
            )

    def refuse_watched(self, location_id: int) -> None:
        """Refuse a location that is watched."""
        with self._database.write() as connection:
            _refuse_watched(connection, location_id)

    def purge(self, location_id: int, uid: str) -> None:
        """Erase what is kept of a location, and then the location. One that comes back meanwhile begins from nothing.

        Its streams go first: a location that is added again must not go on from versions whose records were erased.
        """
        with self._database.write(_LONG_SECONDS) as connection:
            allow(connection, _LONG_SECONDS)
            _refuse_read(connection, location_id, self._database.now())
            lock_streams(connection, [location_id])
            _refuse_watched(connection, location_id)
            for table, mine in _of_streams(location_id):
                connection.execute(sa.delete(table).where(mine))
        for table, mine in _of_records(location_id, uid):
            while self._erase_some(location_id, table, mine):
                continue
        with self._database.write() as connection:
            _refuse_watched(connection, location_id)
            connection.execute(sa.delete(hook_positions).where(hook_positions.c.location_id == location_id))
            connection.execute(sa.delete(locations).where(locations.c.id == location_id))

    def _erase_some(self, location_id: int, table: sa.Table, mine: sa.ColumnElement[bool]) -> bool:
        keys = tuple(table.primary_key.columns)
        chosen = sa.select(*keys).where(mine).limit(AT_ONCE).subquery()
        these = sa.tuple_(*keys).in_(sa.select(*chosen.c))
        with self._database.write() as connection:
            _refuse_watched(connection, location_id)
            return connection.execute(sa.delete(table).where(these)).rowcount == AT_ONCE


def _refuse_read(connection: sa.Connection, location_id: int, now: datetime) -> None:
    """Keep the crawls of a location as they are, and refuse one of which a request may be under way."""
    mine = sa.select(crawls).join(streams, streams.c.id == crawls.c.stream_id)
    mine = mine.where((streams.c.location_id == location_id) & crawls.c.state.in_(UNFINISHED)).order_by(crawls.c.id)
    for crawl in connection.execute(mine.with_for_update(of=crawls)).all():
        answered = sa.select(sa.func.max(pages.c.fetched_at)).where(pages.c.crawl_id == crawl.id)
        heard = max(crawl.moved_at, connection.scalar(answered) or crawl.moved_at)
        if now - heard < _QUIET:
            raise StillRead("(try again in two minutes)")


def _refuse_watched(connection: sa.Connection, location_id: int) -> None:
    """Keep the location as it is until the transaction ends, and refuse one that is watched."""
    here = sa.select(locations.c.is_watched).where(locations.c.id == location_id)
    if connection.scalar(here.with_for_update()):
        raise StillWatched


def _count(connection: sa.Connection, table: sa.Table, mine: sa.ColumnElement[bool]) -> int:
    return int(connection.scalar(sa.select(sa.func.count()).select_from(table).where(mine)) or 0)


def _of_streams(location_id: int) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Return the tables of the ledger, those first that refer to others."""
    my_streams = sa.select(streams.c.id).where(streams.c.location_id == location_id)
    my_crawls = sa.select(crawls.c.id).where(crawls.c.stream_id.in_(my_streams))
    return [
        (wants, wants.c.stream_id.in_(my_streams)),
        (pages, pages.c.crawl_id.in_(my_crawls)),
        (crawls, crawls.c.stream_id.in_(my_streams)),
        (syncs, syncs.c.location_id == location_id),
        (streams, streams.c.location_id == location_id),
        (comparisons, comparisons.c.location_id == location_id),
        (disagreements, disagreements.c.location_id == location_id),
    ]


def _of_records(location_id: int, uid: str) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Return the tables of what Apple sent: records, changes, notices, names of its own apps, and waits."""
    tables = [mirror.table for mirror in MIRRORS.values()]
    of_location = [(table, table.c.location_id == location_id) for table in (*tables, changes, asset_days)]
    return [
        *of_location,
        (notices, notices.c.uid == uid),
        (listings, listings.c.owner == uid),
        (waits, waits.c.gate == uid),
    ]
