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
    full_after: datetime | None
    full_at: datetime | None
    torn_fulls: int
    held_deletes: int | None
    held_digest: str | None
    held_at: datetime | None
    accepted_deletes: int | None


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

    def accept_deletes(self, stream_id: int) -> None:
        """Note that a person accepts the deletes that are held."""
        here = (streams.c.id == stream_id) & streams.c.held_deletes.is_not(None)
        with self._database.write() as connection:
            connection.execute(sa.update(streams).where(here).values(accepted_deletes=streams.c.held_deletes))


def lock_stream(connection: sa.Connection, stream_id: int) -> Stream:
    """Give a stream as it stands, and keep it so for as long as the transaction lasts."""
    return _stream(connection.execute(sa.select(streams).where(streams.c.id == stream_id).with_for_update()).one())


_STREAM = own_columns(Stream, streams)


def _stream(row: Any) -> Stream:
    return Stream(**pick(row, _STREAM))
