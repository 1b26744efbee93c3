"""Channels: where people are told what needs them. Their addresses hold secrets, and are sealed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from .audience import channels
from .database import Database
from .errors import UnknownChannel
from .sealer import Sealer
from .sql import insert_or


@dataclass(frozen=True, kw_only=True)
class AlertChannel:
    """A channel."""

    name: str
    url: str = field(repr=False)
    #: The rules, and the uIds of the locations, that it is told of; None for all.
    rules: list[str] | None = None
    uids: list[str] | None = None


class Channels:
    """The channels of a database, opened with the sealer's keys."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def put(self, channel: AlertChannel) -> None:
        """Add a channel, or change one."""
        now: datetime = self._database.now()
        told: dict[str, Any] = {"rules": channel.rules, "uids": channel.uids}
        told |= {"sealed_url": self._sealer.seal(channel.url)}
        with self._database.write() as connection:
            statement = insert_or(connection.dialect.name, channels).values(name=channel.name, added_at=now, **told)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=told))

    def all(self) -> Sequence[AlertChannel]:
        """Return every channel, by its name."""
        with self._database.once() as connection:
            rows = connection.execute(sa.select(channels).order_by(channels.c.name)).all()
        return [AlertChannel(name=row.name, url=self._open(row), rules=row.rules, uids=row.uids) for row in rows]

    def remove(self, name: str) -> None:
        """Forget a channel."""
        with self._database.write() as connection:
            if not connection.execute(sa.delete(channels).where(channels.c.name == name)).rowcount:
                raise UnknownChannel(f"('{name}')")

    def reseal(self) -> int:
        """Seal every address again with the first key; return how many."""
        with self._database.write() as connection:
            rows = connection.execute(sa.select(channels.c.name, channels.c.sealed_url).with_for_update()).all()
            for row in rows:
                sealed = self._sealer.seal(self._sealer.open(row.sealed_url))
                connection.execute(sa.update(channels).where(channels.c.name == row.name).values(sealed_url=sealed))
        return len(rows)

    def _open(self, row: Any) -> str:
        return self._sealer.open(row.sealed_url)
