"""Waits: when a location had to rest because Apple asked for it, or was away; kept for people who look back."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ..database import Database
from ..schema import crawls, locations, syncs, waits
from ..sql import own_columns, pick
from .syncs import CRAWLS_KEPT


@dataclass(frozen=True, kw_only=True)
class Wait:
    """One wait of one location."""

    #: The location's uId.
    gate: str
    begun_at: datetime
    seconds: float
    #: Whether Apple asked for it; if not, Apple was away.
    is_asked: bool
    error: str | None


class Waits:
    """The waits of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, sync_ids: Sequence[int]) -> Sequence[Wait]:
        """Return the waits of the locations of syncs, while those ran."""
        begun = sa.select(sa.func.min(syncs.c.opened_at)).where(syncs.c.id.in_(sync_ids)).scalar_subquery()
        uids = sa.select(locations.c.uid).join(syncs, syncs.c.location_id == locations.c.id)
        mine = waits.c.gate.in_(uids.where(syncs.c.id.in_(sync_ids))) & (waits.c.begun_at >= begun)
        with self._database.read() as connection:
            rows = connection.execute(sa.select(waits).where(mine).order_by(waits.c.begun_at))
            return [Wait(**pick(row, _WAIT)) for row in rows]

    def during(self, uid: str, begun_at: datetime, ended_at: datetime) -> Sequence[Wait]:
        """Return the waits of a location that fell into a time, in their order."""
        mine = (waits.c.gate == uid) & (waits.c.begun_at >= begun_at) & (waits.c.begun_at <= ended_at)
        with self._database.read() as connection:
            rows = connection.execute(sa.select(waits).where(mine).order_by(waits.c.begun_at))
            return [Wait(**pick(row, _WAIT)) for row in rows]

    def since(self, moment: datetime) -> Sequence[Wait]:
        """Return the waits of all locations from a moment on, in their order."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(waits).where(waits.c.begun_at >= moment).order_by(waits.c.begun_at))
            return [Wait(**pick(row, _WAIT)) for row in rows]

    def sweep(self, now: datetime) -> None:
        """Delete what is older than the crawls that waited."""
        with self._database.write() as connection:
            connection.execute(sa.delete(waits).where(waits.c.begun_at < now - CRAWLS_KEPT))


def of_crawl(measure: "sa.ColumnElement[Any]") -> "sa.ScalarSelect[Any]":
    """Return a measure of the waits that Apple asked for while a crawl ran, for a statement that selects crawls."""
    is_before_end = crawls.c.ended_at.is_(None) | (waits.c.begun_at <= crawls.c.ended_at)
    is_during = (waits.c.begun_at >= crawls.c.opened_at) & is_before_end
    return sa.select(measure).where((waits.c.gate == locations.c.uid) & waits.c.is_asked & is_during).scalar_subquery()


def note_wait(connection: sa.Connection, wait: Wait) -> None:
    """Note a wait. Several answers at once ask for the same wait, and a longer one goes on with it.

    The transaction has locked the closing of the gate, so nobody else notes the same wait.
    """
    mine = sa.select(waits).where(waits.c.gate == wait.gate).order_by(waits.c.begun_at.desc()).limit(1)
    last = connection.execute(mine).one_or_none()
    if last is None or last.begun_at + timedelta(seconds=last.seconds) <= wait.begun_at:
        connection.execute(sa.insert(waits), asdict(wait))
        return
    whole = max(last.seconds, (wait.begun_at - last.begun_at).total_seconds() + wait.seconds)
    goes_on = sa.update(waits).where((waits.c.gate == wait.gate) & (waits.c.begun_at == last.begun_at))
    connection.execute(goes_on.values(seconds=whole, is_asked=last.is_asked or wait.is_asked))


_WAIT = own_columns(Wait, waits)
