"""Export: the mirror's records as Apple names them, streamed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from ..database import Database
from ..limits import allow, allow_pauses
from ..schema import changes, feed, locations, streams
from .tables import MIRRORS

_ROWS_AT_ONCE = 2000

#: The reader of an export may be a person with a pager.
_SECONDS = 24 * 3_600.0

#: What changed since an earlier export is counted out of the whole feed.
_STATEMENT_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class MirroredStream:
    """A stream that was published, of a location that is watched."""

    location_id: int
    uid: str
    #: The location's name.
    name: str
    resource: str


class Snapshot:
    """One state of the whole mirror, and of its feed, for as long as a transaction lasts."""

    def __init__(self, connection: sa.Connection, as_of: datetime) -> None:
        self._connection = connection
        self.as_of = as_of
        row = connection.execute(sa.select(feed.c.name, feed.c.pruned, feed.c.seq)).one()
        #: The feed's name, the last number that it has no longer, and its last number.
        self.feed, self.pruned, self.seq = row

    def streams(self) -> Sequence[MirroredStream]:
        """Return what is mirrored, in the order of resources and names."""
        rows = sa.select(locations.c.id.label("location_id"), locations.c.uid, locations.c.name, streams.c.resource)
        rows = rows.join(streams, streams.c.location_id == locations.c.id)
        rows = rows.where(locations.c.is_watched & streams.c.published_at.is_not(None))
        found = self._connection.execute(rows.order_by(streams.c.resource, locations.c.name))
        return [MirroredStream(**row._asdict()) for row in found]

    def changed_since(self, seq: int) -> set[tuple[int, str]]:
        """Return the streams of which the feed has changes after a number: the location's id, and the resource."""
        rows = sa.select(changes.c.location_id, changes.c.resource).where(changes.c.seq > seq).distinct()
        return {(row.location_id, row.resource) for row in self._connection.execute(rows)}

    def records(self, resource: str, location_id: int) -> Iterator[str]:
        """Yield each record of a stream as one JSON text."""
        mirror = MIRRORS[resource]
        table = mirror.table
        copies = table.c.copies if mirror.is_counted else sa.literal(1)
        rows = sa.select(table.c.record, copies.label("copies")).where(table.c.location_id == location_id)
        for record, count in self._connection.execute(rows, execution_options={"yield_per": _ROWS_AT_ONCE}):
            for _ in range(count):
                yield record


class Exporter:
    """Reads records out of the mirror."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Yield one state of the mirror."""
        as_of = self._database.now()
        with self._database.read(_SECONDS) as connection:
            allow_pauses(connection)
            allow(connection, _STATEMENT_SECONDS)
            yield Snapshot(connection, as_of)

    def records(self, resource: str, location_id: int) -> Iterator[str]:
        """Yield each record of a stream as one JSON text, all of one state of the mirror."""
        with self.snapshot() as snapshot:
            yield from snapshot.records(resource, location_id)
