"""Closings: the gates that Apple wants closed, until when and why; restored into a Redis that lost them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from .database import Database
from .ledger.waits import Wait, note_wait
from .schema import closings
from .sql import insert_or, own_columns, pick


@dataclass(frozen=True, kw_only=True)
class Closing:
    """One gate that is shut."""

    gate: str
    until: datetime
    #: How often in a row it was closed.
    step: int
    why: str
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Shut:
    """Why gates are shut, and for how long."""

    seconds: float
    step: int
    why: str
    #: The name of the error.
    error: str | None = None
    #: Whether Apple asked for it; if not, Apple is away.
    is_asked: bool = False


class Closings:
    """The closings of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, gates: Sequence[str], shut: Shut) -> None:
        """Store that gates are shut from now on; one that is shut for longer stays shut."""
        now = self._database.now()
        until = now + timedelta(seconds=shut.seconds)
        told = {"until": until, "step": shut.step, "why": shut.why, "error": shut.error}
        rows = [{"gate": gate, **told} for gate in sorted(gates)]
        with self._database.write() as connection:
            statement = insert_or(connection.dialect.name, closings)
            new = {name: statement.excluded[name] for name in ("until", "step", "why", "error")}
            is_longer = closings.c.until < statement.excluded.until
            connection.execute(
                statement.on_conflict_do_update(index_elements=["gate"], set_=new, where=is_longer), rows
            )
            for gate in sorted(gates):
                wait = Wait(gate=gate, begun_at=now, seconds=shut.seconds, is_asked=shut.is_asked, error=shut.error)
                note_wait(connection, wait)

    def standing(self) -> Mapping[str, Closing]:
        """Return the closings that are not over, by their gates."""
        with self._database.once() as connection:
            rows = connection.execute(_STANDING, {"now": self._database.now()})
            return {row.gate: _closing(row) for row in rows}

    def sweep(self) -> None:
        """Delete the closings that are over."""
        with self._database.write() as connection:
            connection.execute(sa.delete(closings).where(closings.c.until < self._database.now()))


_CLOSING = own_columns(Closing, closings)
_STANDING = sa.select(closings).where(closings.c.until > sa.bindparam("now"))


def _closing(row: Any) -> Closing:
    return Closing(**pick(row, _CLOSING))
