"""Chores: when each was last done. Any number of beats may run; a chore belongs to the one that claims it."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from .database import Database
from .ledger.streams import SKEW
from .schema import chores
from .sql import insert_or


class Chores:
    """The chores of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, name: str, every: timedelta) -> bool:
        """Claim a chore: True for exactly one of the callers within `every` of the last claim."""
        now = self._database.now()
        # A claim this far in the future was written by a host with a wrong clock: ignore it.
        is_due = (chores.c.at <= now - every) | (chores.c.at > now + every + SKEW)
        with self._database.once() as connection:
            claimed = insert_or(connection.dialect.name, chores).values(name=name, at=now)
            claimed = claimed.on_conflict_do_update(index_elements=["name"], set_={"at": now}, where=is_due)
            return connection.execute(claimed.returning(chores.c.name)).one_or_none() is not None

    def keep(self, name: str) -> None:
        """Keep the claim of a chore that takes longer than usual."""
        with self._database.once() as connection:
            connection.execute(sa.update(chores).where(chores.c.name == name).values(at=self._database.now()))

    def last(self) -> dict[str, datetime]:
        """Return when each chore was claimed last."""
        with self._database.once() as connection:
            return {row.name: row.at for row in connection.execute(sa.select(chores))}
