"""Export: the mirror's records as Apple names them, streamed."""

from collections.abc import Iterator

import sqlalchemy as sa

from .database import Database
from .mirrors import MIRRORS

_ROWS_AT_ONCE = 2000


class Exporting:
    """Reads records out of the mirror."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def records(self, resource: str, location_id: int) -> Iterator[str]:
        """Give each record of a location as one JSON text, all of one state of the mirror."""
        mirror = MIRRORS[resource]
        table = mirror.table
        copies = table.c.copies if mirror.is_counted else sa.literal(1)
        rows = sa.select(table.c.record, copies.label("copies")).where(table.c.location_id == location_id)
        with self._database.read() as connection:
            streamed = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(rows)
            for record, count in streamed:
                for _ in range(count):
                    yield record
