"""Streams: one resource of one location, and how well the mirror is in step with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from .database import Database
from .rows import own_columns, pick
from .schema import streams


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A stream as it stands."""

    id: int
    location_id: int
    resource: str
    version: str | None
    complete_version: str | None
    records: int
    published_at: datetime | None
    problem: str | None
    full_wanted: str | None
    held_deletes: int | None
    held_digest: str | None
    held_at: datetime | None


class Streams:
    """The streams of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def watched(self, location_id: int) -> list[Stream]:
        """Give the watched streams of a location."""
        here = (streams.c.location_id == location_id) & streams.c.is_watched
        with self._database.once() as connection:
            return [_stream(row) for row in connection.execute(sa.select(streams).where(here).order_by(streams.c.id))]

    def get(self, stream_id: int) -> Stream:
        """Give one stream."""
        with self._database.once() as connection:
            return _stream(connection.execute(sa.select(streams).where(streams.c.id == stream_id)).one())


_STREAM = own_columns(Stream, streams)


def _stream(row: Any) -> Stream:
    return Stream(**pick(row, _STREAM))
