"""Alerts: what people were told, each thing once as long as it stands; and the messages that tell them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from .audience import alert_positions, alerts, messages
from .database import Database
from .schema import changes, feed, locations
from .sql import insert_or, own_columns, pick
from .views import VIEWS

#: What ended, and messages that were sent, are kept this long.
ALERTS_KEPT = timedelta(days=30)

_POSITION = 1


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that people are told."""

    #: What it is; the same thing has the same key.
    key: str
    rule: str
    uid: str
    words: str


@dataclass(frozen=True, kw_only=True)
class AlertMessage:
    """A message to a channel."""

    channel: str
    title: str
    body: str
    id: int = 0
    attempts: int = 0
    created_at: datetime | None = None
    sent_at: datetime | None = None
    dead_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class AppCount:
    """How many licences of an app a location has, and how many are left."""

    uid: str
    #: The location's name, and the app's.
    place: str
    name: str
    adam_id: str
    pricing: str
    total: int
    available: int


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """A change of an asset by which licences were gained."""

    seq: int
    uid: str
    place: str
    adam_id: str
    pricing: str
    name: str
    before: int
    after: int


class Alerts:
    """The alerts and messages of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self) -> Mapping[str, str]:
        """Return the rules of all alerts that stand, by their keys."""
        with self._database.once() as connection:
            rows = connection.execute(sa.select(alerts.c.key, alerts.c.rule).where(alerts.c.ended_at.is_(None)))
            return {row.key: row.rule for row in rows}

    def settle(
        self, begun: Sequence[Alert], ended: Sequence[str], told: Sequence[AlertMessage], position: tuple[str, int]
    ) -> None:
        """Note what begins and ends, with the messages that tell of it, and how far the feed was read: all at once."""
        now = self._database.now()
        with self._database.write() as connection:
            for one in begun:
                row = {"key": one.key, "rule": one.rule, "uid": one.uid, "begun_at": now, "ended_at": None}
                statement = insert_or(connection.dialect.name, alerts).values(row)
                connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=row))
            if ended:
                connection.execute(sa.update(alerts).where(alerts.c.key.in_(ended)).values(ended_at=now))
            for message in told:
                text = {"channel": message.channel, "title": message.title, "body": message.body}
                connection.execute(sa.insert(messages).values(text | {"created_at": now, "next_at": now}))
            values = {"id": _POSITION, "feed": position[0], "seq": position[1]}
            statement = insert_or(connection.dialect.name, alert_positions).values(values)
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))

    def position(self) -> tuple[str, int] | None:
        """Return up to which number of which feed purchases were told; None if they never were."""
        with self._database.once() as connection:
            row = connection.execute(sa.select(alert_positions.c.feed, alert_positions.c.seq)).one_or_none()
            return None if row is None else (row.feed, row.seq)

    def extent(self) -> tuple[str, int]:
        """Return the feed's name, and its last number."""
        with self._database.once() as connection:
            row = connection.execute(sa.select(feed.c.name, feed.c.seq)).one()
            return row.name, row.seq

    def scarce(self, least: int, percent: int) -> Sequence[AppCount]:
        """Return the apps of which at least so many are owned, and of which no more than so many per cent are left."""
        table = VIEWS["licences"].table.c
        columns = (table.location_uid.label("uid"), table.location.label("place"), table.name, table.adam_id)
        counts = (table.pricing, table.total, table.available)
        few = (table.total >= least) & (table.available * 100 <= table.total * percent)
        with self._database.read() as connection:
            return [AppCount(**row._asdict()) for row in connection.execute(sa.select(*columns, *counts).where(few))]

    def purchases(self, after: int, last: int) -> Sequence[Purchase]:
        """Return by which changes licences were gained, other than by the first crawl of a location's assets."""
        is_postgresql = self._database.is_postgresql

        def said(record: Any, name: str) -> Any:
            if is_postgresql:
                return sa.cast(record, sa.dialects.postgresql.JSONB)[name].astext
            return sa.cast(sa.func.json_extract(record, f"$.{name}"), sa.Text)

        count = {side: sa.cast(said(changes.c[side], "totalCount"), sa.BigInteger) for side in ("before", "after")}
        before, now = sa.func.coalesce(count["before"], 0), sa.func.coalesce(count["after"], 0)
        earlier = changes.alias("earlier")
        same = (earlier.c.location_id == changes.c.location_id) & (earlier.c.resource == "assets")
        is_first = ~sa.exists().where(same & (earlier.c.crawl_id < changes.c.crawl_id))
        names = {"adam_id": "adamId", "pricing": "pricingParam"}
        told = (said(changes.c.after, theirs).label(name) for name, theirs in names.items())
        rows = sa.select(
            changes.c.seq,
            locations.c.uid,
            locations.c.name.label("place"),
            before.label("before"),
            now.label("after"),
            *told,
        )
        rows = rows.join(locations, locations.c.id == changes.c.location_id)
        here: Any = (changes.c.seq > after) & (changes.c.seq <= last) & (changes.c.resource == "assets")
        here &= changes.c.op.in_(["insert", "update"]) & (now > before) & ~((changes.c.op == "insert") & is_first)
        with self._database.read() as connection:
            found = connection.execute(rows.where(here).order_by(changes.c.seq)).all()
        return [Purchase(**row._asdict(), name=row.adam_id) for row in found]

    def due(self, now: datetime, limit: int) -> Sequence[AlertMessage]:
        """Return the messages that are to be sent now, the oldest first."""
        is_due = messages.c.sent_at.is_(None) & messages.c.dead_at.is_(None) & (messages.c.next_at <= now)
        return self._messages(sa.select(messages).where(is_due).order_by(messages.c.id).limit(limit))

    def last(self, limit: int) -> Sequence[AlertMessage]:
        """Return the last messages, the newest first."""
        return self._messages(sa.select(messages).order_by(messages.c.id.desc()).limit(limit))

    def dead(self) -> Sequence[AlertMessage]:
        """Return the messages that could not be sent."""
        return self._messages(sa.select(messages).where(messages.c.dead_at.is_not(None)).order_by(messages.c.id))

    def note_sent(self, message_id: int) -> None:
        """Note that a message was sent."""
        with self._database.once() as connection:
            values = {"sent_at": self._database.now(), "next_at": None, "error": None}
            connection.execute(sa.update(messages).where(messages.c.id == message_id).values(values))

    def note_failed(self, message: AlertMessage, error: str, next_at: datetime | None) -> None:
        """Note that a message was not taken; None for when it is tried next: it is dead."""
        dead_at = self._database.now() if next_at is None else None
        values = {"attempts": message.attempts + 1, "error": error, "next_at": next_at, "dead_at": dead_at}
        with self._database.once() as connection:
            connection.execute(sa.update(messages).where(messages.c.id == message.id).values(values))

    def replay(self, channel: str | None) -> int:
        """Send the messages again that could not be sent, to one channel or to all; return how many there are."""
        here: Any = messages.c.dead_at.is_not(None)
        if channel is not None:
            here &= messages.c.channel == channel
        values = {"dead_at": None, "attempts": 0, "next_at": self._database.now()}
        with self._database.write() as connection:
            return connection.execute(sa.update(messages).where(here).values(values)).rowcount

    def sweep(self, now: datetime) -> None:
        """Delete messages that were sent, or could not be, long ago."""
        old = sa.func.coalesce(messages.c.sent_at, messages.c.dead_at) < now - ALERTS_KEPT
        with self._database.write() as connection:
            connection.execute(sa.delete(messages).where(old))

    def _messages(self, rows: sa.Select[Any]) -> Sequence[AlertMessage]:
        with self._database.once() as connection:
            return [AlertMessage(**pick(row, _MESSAGE)) for row in connection.execute(rows)]


_MESSAGE = own_columns(AlertMessage, messages)
