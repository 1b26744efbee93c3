"""Alerts: what people were told, each thing once as long as it stands; and the messages that tell them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from .audience import alert_positions, alerts, messages
from .database import Database
from .schema import changes, feed, locations, streams
from .sql import insert_or, own_columns, pick
from .views import VIEWS

#: What ended, and messages that were sent, are kept this long.
ALERTS_KEPT = timedelta(days=30)

#: So long a message is one process's, which may wait for a slow server.
_CLAIM = timedelta(minutes=5)

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


@dataclass(frozen=True, kw_only=True)
class AlertPosition:
    """Up to which number of which feed purchases were told, and how many rounds that took."""

    feed: str
    seq: int
    version: int = 0


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What a round of telling came to."""

    #: Where the next one goes on; its version is that of the round before.
    position: AlertPosition
    begun: Sequence[Alert] = ()
    #: The keys of what stands no more.
    ended: Sequence[str] = ()
    told: Sequence[AlertMessage] = ()


class Alerts:
    """The alerts and messages of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self) -> Mapping[str, str]:
        """Return the rules of all alerts that stand, by their keys."""
        with self._database.once() as connection:
            rows = connection.execute(sa.select(alerts.c.key, alerts.c.rule).where(alerts.c.ended_at.is_(None)))
            return {row.key: row.rule for row in rows}

    def standing_since(self, rule: str) -> Mapping[str, datetime]:
        """Return since when alerts of a rule have stood, by the uId of the location."""
        rows = sa.select(alerts.c.uid, sa.func.min(alerts.c.begun_at).label("since")).group_by(alerts.c.uid)
        with self._database.once() as connection:
            found = connection.execute(rows.where(alerts.c.ended_at.is_(None), alerts.c.rule == rule))
            return {row.uid: row.since for row in found}

    def settle(self, settled: Settled) -> bool:
        """Note what begins and ends, with the messages that tell of it, and how far the feed was read: all at once.

        Return False, and note nothing, if somebody else has settled since the position was read: two processes that
        look at the same time would tell everything twice.
        """
        now = self._database.now()
        with self._database.write() as connection:
            if not _move(connection, settled.position):
                return False
            for one in settled.begun:
                row = {"key": one.key, "rule": one.rule, "uid": one.uid, "begun_at": now, "ended_at": None}
                statement = insert_or(connection.dialect.name, alerts).values(row)
                connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=row))
            if settled.ended:
                connection.execute(sa.update(alerts).where(alerts.c.key.in_(settled.ended)).values(ended_at=now))
            for message in settled.told:
                text = {"channel": message.channel, "title": message.title, "body": message.body}
                connection.execute(sa.insert(messages).values(text | {"created_at": now, "next_at": now}))
        return True

    def position(self) -> AlertPosition | None:
        """Return how far the feed was read for purchases; None if it never was."""
        columns = (alert_positions.c.feed, alert_positions.c.seq, alert_positions.c.version)
        with self._database.once() as connection:
            row = connection.execute(sa.select(*columns)).one_or_none()
            return None if row is None else AlertPosition(**row._asdict())

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
        """Return by which changes licences were gained, other than by the first crawl that showed all of them."""
        is_postgresql = self._database.is_postgresql

        def said(record: Any, name: str) -> Any:
            if is_postgresql:
                return sa.cast(record, JSONB)[name].astext
            return sa.cast(sa.func.json_extract(record, f"$.{name}"), sa.Text)

        count = {side: sa.cast(said(changes.c[side], "totalCount"), sa.BigInteger) for side in ("before", "after")}
        before, now = sa.func.coalesce(count["before"], 0), sa.func.coalesce(count["after"], 0)
        asset = (
            said(changes.c.after, "adamId").label("adam_id"),
            said(changes.c.after, "pricingParam").label("pricing"),
        )
        place = (changes.c.seq, locations.c.uid, locations.c.name.label("place"))
        rows = sa.select(*place, before.label("before"), now.label("after"), *asset)
        rows = rows.join(locations, locations.c.id == changes.c.location_id)
        mine = (streams.c.location_id == changes.c.location_id) & (streams.c.resource == changes.c.resource)
        rows = rows.join(streams, mine)
        here = (changes.c.seq > after) & (changes.c.seq <= last) & (changes.c.resource == "assets")
        is_new = (changes.c.op == "insert") & (changes.c.crawl_id > streams.c.first_full_id)
        with self._database.read() as connection:
            found = connection.execute(rows.where(here & ((changes.c.op == "update") | is_new) & (now > before)))
            return [Purchase(**row._asdict(), name=row.adam_id) for row in found.all()]

    def claim(self, message_id: int, now: datetime) -> bool:
        """Claim a message for a while: True for one of the processes that would send it."""
        here = (messages.c.id == message_id) & (messages.c.next_at <= now) & messages.c.sent_at.is_(None)
        with self._database.once() as connection:
            claimed = sa.update(messages).where(here).values(next_at=now + _CLAIM)
            return connection.execute(claimed).rowcount == 1

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
        """Delete messages that were sent, or could not be, long ago, and what ended long ago."""
        old = sa.func.coalesce(messages.c.sent_at, messages.c.dead_at) < now - ALERTS_KEPT
        with self._database.write() as connection:
            connection.execute(sa.delete(messages).where(old))
            connection.execute(sa.delete(alerts).where(alerts.c.ended_at < now - ALERTS_KEPT))

    def _messages(self, rows: sa.Select[Any]) -> Sequence[AlertMessage]:
        with self._database.once() as connection:
            return [AlertMessage(**pick(row, _MESSAGE)) for row in connection.execute(rows)]


def _move(connection: sa.Connection, position: AlertPosition) -> bool:
    """Move the position on, unless somebody else has moved it."""
    values = {"feed": position.feed, "seq": position.seq, "version": position.version + 1}
    statement = insert_or(connection.dialect.name, alert_positions).values(id=_POSITION, **values)
    is_mine = alert_positions.c.version == position.version
    moved = statement.on_conflict_do_update(index_elements=["id"], set_=values, where=is_mine)
    return connection.execute(moved.returning(alert_positions.c.id)).one_or_none() is not None


_MESSAGE = own_columns(AlertMessage, messages)
