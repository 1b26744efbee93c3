"""Export: the mirror's records as Apple names them, streamed."""

from collections.abc import Iterator

import sqlalchemy as sa

from ..database import Database
from ..limits import allow_pauses
from .tables import MIRRORS

_ROWS_AT_ONCE = 2000

#: The reader of an export may be a person with a pager.
_SECONDS = 24 * 3_600.0


class Exporter:
    """Reads records out of the mirror."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def records(self, resource: str, location_id: int) -> Iterator[str]:
        """Yield each record of a location as one JSON text, all of one state of the mirror."""
        mirror = MIRRORS[resource]
        table = mirror.table
        copies = table.c.copies if mirror.is_counted else sa.literal(1)
        rows = sa.select(table.c.record, copies.label("copies")).where(table.c.location_id == location_id)
        with self._database.read(_SECONDS) as connection:
            allow_pauses(connection)
            streamed = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(rows)
            for record, count in streamed:
                for _ in range(count):
                    yield record
