"""Hooks: addresses of programs that are told what changed, and how far each is told of each location.

A hook is told of a location in the order of the feed: what comes next waits until what came before was taken. A batch
that is under way keeps its end, so that it is the same when it is sent again.
"""

import secrets
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from .audience import hook_positions, hooks
from .database import Database
from .errors import UnknownHook
from .schema import changes, feed, locations
from .sealer import Sealer
from .sql import insert_or, own_columns, pick

#: How a secret begins, by the standard that its signatures follow.
SECRET_PREFIX = "whsec_"  # noqa: S105 - no secret itself

_SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A hook as it is kept; its secret is not in it."""

    name: str
    url: str
    #: The uIds of the locations, and the resources, that it is told of; None for all.
    uids: list[str] | None
    resources: list[str] | None
    #: Whether it gets whole records, which name people.
    has_records: bool
    added_at: datetime
    #: It is left alone until then, because it did not answer.
    rest_until: datetime | None = None
    #: When it answered that it is there no more.
    gone_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class HookPosition:
    """How far a hook is told of one location."""

    hook: str
    location_id: int
    uid: str
    #: The location's name.
    name: str
    #: The last number of the feed that it took.
    seq: int
    #: The last number of the batch that is under way; None if none is.
    last: int | None
    attempts: int
    failing_since: datetime | None
    error: str | None
    next_at: datetime | None = field(default=None)
    dead_at: datetime | None = field(default=None)


class Hooks:
    """The hooks of a database; their secrets are opened with the sealer's keys."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def put(self, hook: Hook, secret: str | None, seq: int | None = None) -> bool:
        """Add a hook, or change one; return whether it is new. A new one is told what comes after a number."""
        values: dict[str, Any] = {"url": hook.url, "uids": hook.uids, "resources": hook.resources}
        values |= {"has_records": hook.has_records}
        with self._database.write() as connection:
            known = connection.scalar(sa.select(hooks.c.name).where(hooks.c.name == hook.name).with_for_update())
            if known is not None:
                sealed = {} if secret is None else {"sealed_secret": self._sealer.seal(secret)}
                connection.execute(sa.update(hooks).where(hooks.c.name == hook.name).values(values | sealed))
                return False
            start = connection.scalar(sa.select(feed.c.seq)) if seq is None else seq
            sealed = {"sealed_secret": self._sealer.seal(secret or make_secret())}
            row = {"name": hook.name, "added_at": self._database.now(), "start": start, "feed": _feed(connection)}
            connection.execute(sa.insert(hooks).values(values | sealed | row))
            return True

    def all(self) -> Sequence[Hook]:
        """Return every hook, by its name."""
        with self._database.once() as connection:
            return [Hook(**pick(row, _HOOK)) for row in connection.execute(sa.select(hooks).order_by(hooks.c.name))]

    def lease(self, now: datetime, until: datetime) -> Sequence[Hook]:
        """Return the hooks that nobody else tells until then: two at once would break the order."""
        is_free = hooks.c.leased_until.is_(None) | (hooks.c.leased_until <= now)
        here = sa.update(hooks).where(hooks.c.gone_at.is_(None) & is_free).values(leased_until=until)
        with self._database.write() as connection:
            names = list(connection.scalars(here.returning(hooks.c.name)))
        return [one for one in self.all() if one.name in names]

    def release(self, names: Sequence[str]) -> None:
        """Let others tell these hooks."""
        with self._database.once() as connection:
            connection.execute(sa.update(hooks).where(hooks.c.name.in_(names)).values(leased_until=None))

    def secret(self, name: str) -> str:
        """Return the secret of a hook; raise UnknownHook if there is none of that name."""
        with self._database.once() as connection:
            sealed = connection.scalar(sa.select(hooks.c.sealed_secret).where(hooks.c.name == name))
        if sealed is None:
            raise UnknownHook(f"('{name}')")
        return self._sealer.open(sealed)

    def reseal(self) -> int:
        """Seal every secret again with the first key; return how many."""
        with self._database.write() as connection:
            rows = connection.execute(sa.select(hooks.c.name, hooks.c.sealed_secret).with_for_update()).all()
            for row in rows:
                sealed = self._sealer.seal(self._sealer.open(row.sealed_secret))
                connection.execute(sa.update(hooks).where(hooks.c.name == row.name).values(sealed_secret=sealed))
        return len(rows)

    def remove(self, name: str) -> None:
        """Forget a hook."""
        with self._database.write() as connection:
            connection.execute(sa.delete(hook_positions).where(hook_positions.c.hook == name))
            if not connection.execute(sa.delete(hooks).where(hooks.c.name == name)).rowcount:
                raise UnknownHook(f"('{name}')")

    def due(self, now: datetime) -> Sequence[HookPosition]:
        """Return where there is something to tell now: a hook and a location each, those that waited longest first."""
        last = sa.select(sa.func.max(changes.c.seq)).where(changes.c.location_id == locations.c.id).scalar_subquery()
        told = sa.func.coalesce(hook_positions.c.seq, hooks.c.start)
        is_awake = hooks.c.gone_at.is_(None) & (hooks.c.rest_until.is_(None) | (hooks.c.rest_until <= now))
        is_ready = hook_positions.c.next_at.is_(None) | (hook_positions.c.next_at <= now)
        is_due = is_awake & is_ready & hook_positions.c.dead_at.is_(None) & (last > told)
        with self._database.once() as connection:
            rows = connection.execute(_positions().where(is_due).order_by(told)).all()
        return [_position(row) for row in rows if row.uids is None or row.uid in row.uids]

    def troubled(self) -> Sequence[HookPosition]:
        """Return where something could not be told: what is tried again, and what is dead."""
        is_failing = hook_positions.c.failing_since.is_not(None)
        with self._database.once() as connection:
            rows = connection.execute(_positions().where(is_failing).order_by(hooks.c.name, locations.c.name))
            return [_position(row) for row in rows]

    def begin(self, position: HookPosition, last: int) -> None:
        """Note that a batch is under way, so that it stays the same until it was taken."""
        values = {"seq": position.seq, "last": last, "attempts": position.attempts + 1}
        self._put(position, values)

    def note_taken(self, position: HookPosition, last: int) -> None:
        """Note that a hook took everything up to a number."""
        rest = {"attempts": 0, "failing_since": None, "error": None, "next_at": None, "dead_at": None}
        self._put(position, {"seq": last, "last": None, **rest})

    def note_failed(self, position: HookPosition, error: str, next_at: datetime | None) -> None:
        """Note that a hook did not take a batch; None for when it is tried next: it is dead."""
        now = self._database.now()
        since = position.failing_since or now
        dead = {"next_at": next_at, "dead_at": now if next_at is None else None}
        self._put(position, {"seq": position.seq, "failing_since": since, "error": error, **dead})

    def rest(self, name: str, until: datetime) -> None:
        """Leave a hook alone until then: it does not answer."""
        with self._database.once() as connection:
            connection.execute(sa.update(hooks).where(hooks.c.name == name).values(rest_until=until))

    def note_gone(self, name: str) -> None:
        """Tell a hook nothing more: it answered that it is there no more."""
        with self._database.once() as connection:
            here = sa.update(hooks).where(hooks.c.name == name)
            connection.execute(here.values(gone_at=self._database.now()))

    def replay(self, name: str, uids: Sequence[str] | None, seq: int | None) -> None:
        """Tell a hook again what it did not take, or everything after a number."""
        self.secret(name)  # it is known
        here = hook_positions.c.hook == name
        mine = sa.select(locations.c.id)
        if uids is not None:
            mine = mine.where(locations.c.uid.in_(uids))
        values: dict[str, Any] = {"dead_at": None, "next_at": None, "failing_since": None, "attempts": 0, "error": None}
        with self._database.write() as connection:
            if seq is not None and uids is None:
                connection.execute(sa.delete(hook_positions).where(here))
                connection.execute(sa.update(hooks).where(hooks.c.name == name).values(start=seq))
            elif seq is not None:
                values |= {"seq": seq, "last": None}
            connection.execute(
                sa.update(hook_positions).where(here & hook_positions.c.location_id.in_(mine)).values(values)
            )
            awake = {"gone_at": None, "rest_until": None, "feed": _feed(connection)}
            connection.execute(sa.update(hooks).where(hooks.c.name == name).values(awake))

    def feeds(self) -> dict[str, str]:
        """Return of which feed each hook was told last, by the hook's name."""
        with self._database.once() as connection:
            return {row.name: row.feed for row in connection.execute(sa.select(hooks.c.name, hooks.c.feed))}

    def begin_anew(self, name: str, feed_name: str, seq: int) -> None:
        """Tell a hook what comes after a number of another feed, or after what is no longer kept."""
        with self._database.write() as connection:
            connection.execute(sa.delete(hook_positions).where(hook_positions.c.hook == name))
            connection.execute(sa.update(hooks).where(hooks.c.name == name).values(start=seq, feed=feed_name))

    def _put(self, position: HookPosition, values: dict[str, Any]) -> None:
        key = {"hook": position.hook, "location_id": position.location_id}
        with self._database.write() as connection:
            statement = insert_or(connection.dialect.name, hook_positions).values(key | values)
            connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


def make_secret() -> str:
    """Make a secret for signatures."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _feed(connection: sa.Connection) -> Any:
    return connection.scalar(sa.select(feed.c.name))


def _positions() -> sa.Select[Any]:
    """Return a statement of every hook and location, with how far the hook is told of it."""
    mine = (hook_positions.c.hook == hooks.c.name) & (hook_positions.c.location_id == locations.c.id)
    told = sa.func.coalesce(hook_positions.c.seq, hooks.c.start).label("seq")
    attempts = sa.func.coalesce(hook_positions.c.attempts, 0).label("attempts")
    names = ("last", "failing_since", "error", "next_at", "dead_at")
    place = (hooks.c.name.label("hook"), hooks.c.uids, locations.c.id.label("location_id"), locations.c.uid)
    columns = (*place, locations.c.name, told, attempts, *(hook_positions.c[name] for name in names))
    every = hooks.join(locations, sa.true()).outerjoin(hook_positions, mine)
    return sa.select(*columns).select_from(every)


def _position(row: Any) -> HookPosition:
    return HookPosition(**{name: getattr(row, name) for name in HookPosition.__dataclass_fields__})


_HOOK = own_columns(Hook, hooks)
