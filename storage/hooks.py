"""Hooks: addresses of programs that are told what changed, and how far each is told of each location.

A hook is told of a location in the order of the feed: what comes next waits until what came before was taken. A batch
that is under way keeps its end, so that it is the same when it is sent again. One process at a time tells a hook; and
what it notes counts only if nobody has changed meanwhile what the hook is to be told.
"""

import secrets
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from .audience import hook_positions, hooks
from .database import Database
from .errors import UnknownHook
from .schema import changes, feed, locations, streams
from .sealer import Sealer
from .sql import insert_or

#: How a secret begins, by the standard that its signatures follow.
SECRET_PREFIX = "whsec_"  # noqa: S105 - no secret itself

_SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Hook:
    """A hook as it is kept; its secret is not in it."""

    name: str
    #: It may hold secrets.
    url: str = field(repr=False)
    #: The uIds of the locations, and the resources, that it is told of; None for all.
    uids: list[str] | None
    resources: list[str] | None
    #: Whether it gets whole records, which name people.
    has_records: bool
    added_at: datetime
    #: Of which feed it is told, and which of its settings this is.
    feed: str = ""
    generation: int = 0
    #: It is left alone until then, because it did not answer.
    rest_until: datetime | None = None
    #: When it answered that it is there no more.
    gone_at: datetime | None = None
    #: Since when it does not take that it has to begin anew, how often that was tried, why, and when that was given up.
    failing_since: datetime | None = None
    attempts: int = 0
    error: str | None = None
    dead_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class HookPosition:
    """How far a hook is told of one location."""

    hook: str
    generation: int
    location_id: int
    uid: str
    #: The location's name.
    name: str
    #: The last number of the feed that it took.
    seq: int
    #: The location's last change that the feed has no longer.
    pruned_seq: int
    #: The last number of the batch that is under way; None if none is.
    last: int | None
    attempts: int
    failing_since: datetime | None
    error: str | None
    next_at: datetime | None = None
    dead_at: datetime | None = None


class Hooks:
    """The hooks of a database; their addresses and secrets are opened with the sealer's keys."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def put(self, hook: Hook, secret: str | None, seq: int | None = None) -> bool:
        """Add a hook, or change one; return whether it is new. A new one is told what comes after a number."""
        told: dict[str, Any] = {"uids": hook.uids, "resources": hook.resources, "has_records": hook.has_records}
        sealed = {"sealed_url": self._sealer.seal(hook.url)}
        with self._database.write() as connection:
            known = connection.execute(
                sa.select(hooks).where(hooks.c.name == hook.name).with_for_update()
            ).one_or_none()
            if known is None:
                start = connection.scalar(sa.select(feed.c.seq)) if seq is None else seq
                sealed |= {"sealed_secret": self._sealer.seal(secret or make_secret())}
                row = {"name": hook.name, "added_at": self._database.now(), "start": start, "feed": _feed(connection)}
                connection.execute(sa.insert(hooks).values(told | sealed | row))
                return True
            if secret is not None:
                sealed |= {"sealed_secret": self._sealer.seal(secret)}
            awake: dict[str, Any] = {"generation": hooks.c.generation + 1}
            if (
                self._sealer.open(known.sealed_url) != hook.url
            ):  # what an old address answered is nothing of the new one
                awake |= _AWAKE
            connection.execute(sa.update(hooks).where(hooks.c.name == hook.name).values(told | sealed | awake))
            return False

    def all(self) -> Sequence[Hook]:
        """Return every hook, by its name."""
        with self._database.once() as connection:
            return [self._hook(row) for row in connection.execute(sa.select(hooks).order_by(hooks.c.name))]

    def secret(self, name: str) -> str:
        """Return the secret of a hook; raise UnknownHook if there is none of that name."""
        with self._database.once() as connection:
            sealed = connection.scalar(sa.select(hooks.c.sealed_secret).where(hooks.c.name == name))
        if sealed is None:
            raise UnknownHook(f"('{name}')")
        return self._sealer.open(sealed)

    def reseal(self) -> int:
        """Seal every address and secret again with the first key; return how many hooks there are."""
        columns = ("sealed_url", "sealed_secret")
        with self._database.write() as connection:
            rows = connection.execute(sa.select(hooks.c.name, *(hooks.c[one] for one in columns)).with_for_update())
            every = rows.all()
            for row in every:
                sealed = {one: self._sealer.seal(self._sealer.open(getattr(row, one))) for one in columns}
                connection.execute(sa.update(hooks).where(hooks.c.name == row.name).values(sealed))
        return len(every)

    def remove(self, name: str) -> None:
        """Forget a hook."""
        with self._database.write() as connection:
            connection.execute(sa.delete(hook_positions).where(hook_positions.c.hook == name))
            if not connection.execute(sa.delete(hooks).where(hooks.c.name == name)).rowcount:
                raise UnknownHook(f"('{name}')")

    def lease(self, name: str, who: str, until: datetime) -> bool:
        """Have one process tell a hook until then; return False if another does: two would break the order."""
        is_free = hooks.c.leased_until.is_(None) | (hooks.c.leased_until <= self._database.now())
        here = sa.update(hooks).where((hooks.c.name == name) & (is_free | (hooks.c.leased_by == who)))
        with self._database.once() as connection:
            return connection.execute(here.values(leased_by=who, leased_until=until)).rowcount == 1

    def release(self, name: str, who: str) -> None:
        """Let others tell a hook."""
        here = sa.update(hooks).where((hooks.c.name == name) & (hooks.c.leased_by == who))
        with self._database.once() as connection:
            connection.execute(here.values(leased_by=None, leased_until=None))

    def due(self, name: str, now: datetime) -> Sequence[HookPosition]:
        """Return the locations of which there is something to tell a hook now, those that waited longest first."""
        last = sa.select(sa.func.max(changes.c.seq)).where(changes.c.location_id == locations.c.id).scalar_subquery()
        told = sa.func.coalesce(hook_positions.c.seq, hooks.c.start)
        is_ready = hook_positions.c.next_at.is_(None) | (hook_positions.c.next_at <= now)
        is_kept = sa.exists().where(streams.c.location_id == locations.c.id)  # one that is being erased has no streams
        is_due = (hooks.c.name == name) & is_ready & hook_positions.c.dead_at.is_(None) & is_kept
        is_news = (last > told) | (locations.c.pruned_seq > told)
        with self._database.once() as connection:
            rows = connection.execute(_positions().where(is_due & is_news).order_by(told)).all()
        return [_position(row) for row in rows if row.uids is None or row.uid in row.uids]

    def troubled(self) -> Sequence[HookPosition]:
        """Return where something could not be told: what is tried again, and what is dead."""
        is_failing = hook_positions.c.failing_since.is_not(None)
        with self._database.once() as connection:
            rows = connection.execute(_positions().where(is_failing).order_by(hooks.c.name, locations.c.name))
            return [_position(row) for row in rows]

    def begin(self, position: HookPosition, last: int) -> bool:
        """Note that a batch is under way: it stays the same until it was taken. Return False if it counts no more."""
        return self._put(position, {"seq": position.seq, "last": last, "attempts": position.attempts + 1})

    def note_taken(self, position: HookPosition, last: int) -> bool:
        """Note that a hook took everything up to a number; return False if that counts no more."""
        return self._put(position, {"seq": last, "last": None, **_WELL})

    def note_failed(self, position: HookPosition, error: str, next_at: datetime | None) -> bool:
        """Note that a hook did not take a batch; None for when it is tried next: it is dead."""
        now = self._database.now()
        since = position.failing_since or now
        dead = {"next_at": next_at, "dead_at": now if next_at is None else None}
        return self._put(position, {"seq": position.seq, "failing_since": since, "error": error, **dead})

    def rest(self, name: str, until: datetime) -> None:
        """Leave a hook alone until then: it does not answer, or asked for that."""
        self._set(name, {"rest_until": until})

    def note_gone(self, name: str) -> None:
        """Tell a hook nothing more: it answered that it is there no more."""
        self._set(name, {"gone_at": self._database.now()})

    def note_stuck(self, hook: Hook, error: str, next_at: datetime | None) -> None:
        """Note that a hook did not take that it has to begin anew; None for when it is tried next: it is dead."""
        now = self._database.now()
        values = {"failing_since": hook.failing_since or now, "attempts": hook.attempts + 1, "error": error}
        self._set(hook.name, {**values, "rest_until": next_at, "dead_at": now if next_at is None else None})

    def begin_anew(self, hook: Hook, feed_name: str, seq: int) -> None:
        """Tell a hook what comes after a number of another feed."""
        values = {"start": seq, "feed": feed_name, "generation": hooks.c.generation + 1, **_AWAKE}
        with self._database.write() as connection:
            connection.execute(sa.delete(hook_positions).where(hook_positions.c.hook == hook.name))
            connection.execute(sa.update(hooks).where(hooks.c.name == hook.name).values(values))

    def replay(self, name: str, uids: Sequence[str] | None, seq: int | None) -> None:
        """Tell a hook again what it did not take, or everything after a number."""
        self.secret(name)  # it is known
        awake = {"generation": hooks.c.generation + 1, **_AWAKE}
        with self._database.write() as connection:
            connection.execute(sa.update(hooks).where(hooks.c.name == name).values(awake))
            if seq is not None and uids is None:  # of every location, whatever the feed was
                anew = {"start": seq, "feed": _feed(connection)}
                connection.execute(sa.delete(hook_positions).where(hook_positions.c.hook == name))
                connection.execute(sa.update(hooks).where(hooks.c.name == name).values(anew))
                return
            mine = sa.select(locations.c.id)
            if uids is not None:
                mine = mine.where(locations.c.uid.in_(uids))
            if seq is None:
                here = (hook_positions.c.hook == name) & hook_positions.c.location_id.in_(mine)
                connection.execute(sa.update(hook_positions).where(here).values(_WELL))
                return
            for location_id in connection.scalars(mine).all():
                _upsert(connection, name, location_id, {"seq": seq, "last": None, **_WELL})

    def _put(self, position: HookPosition, values: dict[str, Any]) -> bool:
        """Write a position, unless somebody has changed since what the hook is to be told, or its location is gone."""
        mine = sa.select(hooks.c.generation).where(hooks.c.name == position.hook)
        try:
            with self._database.write() as connection:
                if connection.scalar(mine.with_for_update()) != position.generation:
                    return False
                _upsert(connection, position.hook, position.location_id, values)
        except IntegrityError:  # the location was erased meanwhile
            return False
        return True

    def _set(self, name: str, values: dict[str, Any]) -> None:
        with self._database.once() as connection:
            connection.execute(sa.update(hooks).where(hooks.c.name == name).values(values))

    def _hook(self, row: Any) -> Hook:
        names = set(Hook.__dataclass_fields__) - {"url"}
        return Hook(url=self._sealer.open(row.sealed_url), **{name: getattr(row, name) for name in names})


#: What a position, and a hook, has that is well.
_WELL: dict[str, Any] = {"attempts": 0, "failing_since": None, "error": None, "next_at": None, "dead_at": None}
_AWAKE: dict[str, Any] = {
    "gone_at": None,
    "rest_until": None,
    "attempts": 0,
    "failing_since": None,
    "error": None,
    "dead_at": None,
}


def make_secret() -> str:
    """Make a secret for signatures."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _upsert(connection: sa.Connection, name: str, location_id: int, values: dict[str, Any]) -> None:
    key = {"hook": name, "location_id": location_id}
    statement = insert_or(connection.dialect.name, hook_positions).values(key | values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


def _feed(connection: sa.Connection) -> Any:
    return connection.scalar(sa.select(feed.c.name))


def _positions() -> sa.Select[Any]:
    """Return a statement of every hook and location, with how far the hook is told of it."""
    mine = (hook_positions.c.hook == hooks.c.name) & (hook_positions.c.location_id == locations.c.id)
    told = sa.func.coalesce(hook_positions.c.seq, hooks.c.start).label("seq")
    attempts = sa.func.coalesce(hook_positions.c.attempts, 0).label("attempts")
    names = ("last", "failing_since", "error", "next_at", "dead_at")
    place = (hooks.c.name.label("hook"), hooks.c.generation, hooks.c.uids, locations.c.id.label("location_id"))
    location = (locations.c.uid, locations.c.name, locations.c.pruned_seq)
    columns = (*place, *location, told, attempts, *(hook_positions.c[name] for name in names))
    every = hooks.join(locations, sa.true()).outerjoin(hook_positions, mine)
    return sa.select(*columns).select_from(every)


def _position(row: Any) -> HookPosition:
    return HookPosition(**{name: getattr(row, name) for name in HookPosition.__dataclass_fields__})
