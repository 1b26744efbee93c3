"""Crawls: one pass over a stream, as a state machine. A transition is one guarded UPDATE that tells if it happened."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from apple.resources import RESOURCES, Paging

from ..database import Database
from ..schema import UNFINISHED, CrawlKind, CrawlState, crawls, locations, streams
from ..sql import Columns, own_columns, pick
from .streams import lock_stream

#: In the ledger of a spot, each asset has so many places; no list is as long.
PAGES_A_SCOPE = 1_000_000

#: How long the clock lets a stream rest after a failure, doubled by each further one in a row.
FIRST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(hours=6)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One asset of a spot: why it is looked into, how often it was, and what came of it."""

    adam_id: str
    pricing_param: str
    #: Apple's count, and the assignments that were listed here, when it was chosen.
    counted: int = 0
    listed: int = 0
    attempts: int = 0
    #: Whether what was read of it is of one moment, and how many pages that is.
    is_consistent: bool = False
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Crawl:
    """A crawl as it stands, with the names of what it reads."""

    id: int
    sync_id: int
    stream_id: int
    location_id: int
    uid: str
    resource: str
    state: CrawlState
    kind: CrawlKind
    since: str | None
    scopes: tuple[Scope, ...]
    forced_by: str | None
    round: int
    floor: int
    restarts: int
    rereads: int
    revivals: int
    base_version: str | None
    version: str | None
    total: int | None
    is_consistent: bool | None
    drift: int
    reason: str | None
    trouble: str | None
    opened_at: datetime
    moved_at: datetime

    def has_place(self, index: int) -> bool:
        """Tell whether a place in the ledger is one of a page that still exists: of a spot, each asset has its own."""
        if self.kind is not CrawlKind.SPOT:
            return True
        total = self.scopes[index // PAGES_A_SCOPE].total
        return total is None or index % PAGES_A_SCOPE < total

    @property
    def is_chained(self) -> bool:
        """Tell whether it goes along cursors, one request after the other."""
        return RESOURCES[self.resource].paging is Paging.CURSOR

    @property
    def is_unfinished(self) -> bool:
        """Tell whether anything remains to be done."""
        return self.state in UNFINISHED


class Crawls:
    """The crawls of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, crawl_id: int) -> Crawl:
        """Give one crawl."""
        with self._database.once() as connection:
            return make_crawl(connection.execute(_select().where(crawls.c.id == crawl_id)).one())

    def some(self, crawl_ids: list[int]) -> list[Crawl]:
        """Give several crawls, in the order of their numbers."""
        with self._database.once() as connection:
            rows = connection.execute(_select().where(crawls.c.id.in_(crawl_ids)).order_by(crawls.c.id))
            return [make_crawl(row) for row in rows]

    def unfinished(self) -> list[Crawl]:
        """Give every crawl that is still to be worked on."""
        with self._database.once() as connection:
            rows = connection.execute(_select().where(crawls.c.state.in_(UNFINISHED)).order_by(crawls.c.id))
            return [make_crawl(row) for row in rows]

    def of_sync(self, sync_id: int) -> list[Crawl]:
        """Give the crawls of a sync, in the order in which they were opened."""
        with self._database.once() as connection:
            rows = connection.execute(_select().where(crawls.c.sync_id == sync_id).order_by(crawls.c.id))
            return [make_crawl(row) for row in rows]

    def note_first(self, crawl_id: int, version: str | None, total: int | None) -> None:
        """Note what the first page says; the base version never moves once it is there."""
        with self._database.write() as connection:
            connection.execute(
                sa.update(crawls)
                .where(crawls.c.id == crawl_id)
                .values(
                    base_version=sa.func.coalesce(crawls.c.base_version, version),
                    version=version,
                    total=total,
                    moved_at=self._database.now(),
                )
            )

    def begin_round(self, crawl: Crawl, *, reread: bool = False, revival: bool = False) -> bool:
        """Open -> open, one round on: true for exactly one of those who saw the same round."""
        steps = {"rereads": int(reread), "revivals": int(revival), "drift": int(reread)}
        return self._move(crawl, CrawlState.OPEN, {name: crawls.c[name] + step for name, step in steps.items()})

    def restart(self, crawl: Crawl, *, reread: bool = False) -> bool:
        """Open -> open, from nothing: what was read so far no longer counts, and a delta becomes a full crawl."""
        values: dict[str, Any] = {
            "floor": crawl.round + 1,
            "restarts": crawls.c.restarts + 1,
            "drift": crawls.c.drift + int(reread),
        }
        if not reread:
            values |= {"kind": CrawlKind.FULL, "since": None, "base_version": None}
        return self._move(crawl, CrawlState.OPEN, values)

    def settle(
        self,
        crawl: Crawl,
        *,
        is_consistent: bool,
        version: str | None,
        total: int | None,
        scopes: tuple[Scope, ...] = (),
    ) -> bool:
        """Open -> settled."""
        values = {"is_consistent": is_consistent, "version": version, "total": total, "scopes": dump_scopes(scopes)}
        return self._move(crawl, CrawlState.SETTLED, values)

    def revive(self, crawl: Crawl) -> bool:
        """Count a revival that begins no round: true for exactly one of those who saw the same count."""
        here = (crawls.c.id == crawl.id) & (crawls.c.state == CrawlState.OPEN)
        seen = crawls.c.revivals == crawl.revivals
        values = {"revivals": crawl.revivals + 1, "moved_at": self._database.now()}
        with self._database.write() as connection:
            row = connection.execute(sa.update(crawls).where(here & seen).values(values).returning(crawls.c.id))
            return row.one_or_none() is not None

    def send_again(self, crawl: Crawl) -> bool:
        """Note that a settled crawl is sent to be published once more; false where it is being published just now.

        A publish holds the row of its crawl to its end: that is seen, and not waited for.
        """
        here = (crawls.c.id == crawl.id) & (crawls.c.state == CrawlState.SETTLED)
        free = sa.select(crawls.c.id).where(here & (crawls.c.moved_at == crawl.moved_at))
        mine = crawls.c.id.in_(free.with_for_update(skip_locked=True))
        sent = sa.update(crawls).where(mine).values(moved_at=self._database.now())
        with self._database.write() as connection:
            return connection.execute(sent.returning(crawls.c.id)).one_or_none() is not None

    def end_unchanged(self, crawl: Crawl, version: str | None) -> bool:
        """Open -> unchanged: the mirror already is what Apple has. A delta moves the version all the same."""
        now = self._database.now()
        with self._database.write() as connection:
            # Somebody may have asked for everything since the crawl was looked at.
            is_free = (crawls.c.kind != CrawlKind.FULL) | crawls.c.forced_by.is_(None)
            is_reading = is_free & (crawls.c.state == CrawlState.OPEN)
            if not _end(connection, crawl, CrawlState.UNCHANGED, is_reading, {"version": version} | _ended(now)):
                return False
            values: dict[str, Any] = {"published_at": now, "problem": None} | in_step(crawl)
            if version is not None:
                values["version"] = version
            if crawl.kind is CrawlKind.FULL:
                values["full_at"] = now
            connection.execute(sa.update(streams).where(streams.c.id == crawl.stream_id).values(values))
            return True

    def fail(self, crawl: Crawl, reason: str, trouble: str) -> bool:
        """Open | settled -> failed, with its reason, which the stream shows until a crawl does better."""
        now = self._database.now()
        with self._database.write() as connection:
            values = {"reason": reason, "trouble": trouble} | _ended(now)
            if not _end(connection, crawl, CrawlState.FAILED, crawls.c.state.in_(UNFINISHED), values):
                return False
            values = {"problem": reason} | _put_off(connection, crawl, now)
            connection.execute(sa.update(streams).where(streams.c.id == crawl.stream_id).values(values))
            return True

    def last_total(self, stream_id: int) -> int | None:
        """Tell how many pages the last full crawl of a stream found."""
        here = (crawls.c.stream_id == stream_id) & (crawls.c.kind == CrawlKind.FULL) & crawls.c.total.is_not(None)
        with self._database.once() as connection:
            total: int | None = connection.scalar(
                sa.select(crawls.c.total).where(here).order_by(crawls.c.id.desc()).limit(1)
            )
            return total

    def reading(self, location_id: int) -> list[Crawl]:
        """Give the crawls of a location that still ask for pages."""
        here = (streams.c.location_id == location_id) & (crawls.c.state == CrawlState.OPEN)
        with self._database.once() as connection:
            return [make_crawl(row) for row in connection.execute(_select().where(here).order_by(crawls.c.id))]

    def _move(self, crawl: Crawl, state: CrawlState, values: dict[str, Any]) -> bool:
        here = (crawls.c.id == crawl.id) & (crawls.c.state == CrawlState.OPEN) & (crawls.c.round == crawl.round)
        values = values | {"state": state, "round": crawl.round + 1, "moved_at": self._database.now()}
        with self._database.write() as connection:
            row = connection.execute(sa.update(crawls).where(here).values(values).returning(crawls.c.id))
            return row.one_or_none() is not None


def in_step(crawl: Crawl) -> dict[str, Any]:
    """Say what a reading that left the mirror in step makes of its stream: it is as young as the reading's begin."""
    return {"failures": 0, "seen_at": crawl.opened_at}


def _put_off(connection: sa.Connection, crawl: Crawl, now: datetime) -> dict[str, Any]:
    """Let a stream that fails rest, alone, and the longer the more often it does."""
    if crawl.kind is CrawlKind.SPOT:
        return {}
    failures = lock_stream(connection, crawl.stream_id).failures + 1
    return {"failures": failures, "due_at": now + rest_after(failures)}


def rest_after(failures: int) -> timedelta:
    """Tell how long a stream rests after so many failures in a row."""
    rest: timedelta = min(LONGEST_REST, FIRST_REST * 2 ** min(failures - 1, 16))
    return rest


def _ended(now: datetime) -> dict[str, Any]:
    return {"moved_at": now, "ended_at": now}


def _end(connection: sa.Connection, crawl: Crawl, state: CrawlState, condition: Any, values: dict[str, Any]) -> bool:
    here = (crawls.c.id == crawl.id) & condition
    ended = sa.update(crawls).where(here).values(values | {"state": state})
    return connection.execute(ended.returning(crawls.c.id)).one_or_none() is not None


#: Where the fields of a crawl come from.
CRAWL: Columns = {
    **own_columns(Crawl, crawls),
    "location_id": streams.c.location_id,
    "resource": streams.c.resource,
    "uid": locations.c.uid,
}


def make_crawl(row: Any) -> Crawl:
    """Make a crawl of a row."""
    values = pick(row, CRAWL)
    scopes = tuple(Scope(**one) for one in values["scopes"] or ())
    return Crawl(**values | {"state": CrawlState(values["state"]), "kind": CrawlKind(values["kind"]), "scopes": scopes})


def dump_scopes(scopes: tuple[Scope, ...]) -> list[dict[str, Any]] | None:
    """Write scopes as they are kept."""
    return [asdict(scope) for scope in scopes] or None


def _select() -> sa.Select[Any]:
    return (
        sa.select(*CRAWL.values())
        .join(streams, streams.c.id == crawls.c.stream_id)
        .join(locations, locations.c.id == streams.c.location_id)
    )
