"""Crawls: one pass over a stream, as a state machine.

Every transition is listed in `TRANSITIONS` and is one UPDATE guarded by the state before it. A method that makes a
transition returns the crawl as it then stands, or None if the crawl was no longer as the caller had seen it: of several
callers that saw the same crawl, exactly one gets it back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningUpdate

from apple.resources import RESOURCES, Paging

from ..database import Database
from ..prepared import Prepared, Row
from ..schema import crawls, locations, streams
from ..sql import Columns, own_columns, pick
from ..states import UNFINISHED, Cause, CrawlKind, CrawlState, Reason, Trouble
from .streams import lock_stream

#: In the ledger of a spot crawl, each asset has this many places; no list of assignments is as long.
PAGES_A_SCOPE = 1_000_000

#: How long the scheduler lets a stream rest after a failure; doubled by each further failure in a row.
FIRST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(hours=6)


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A move of a crawl from one of some states to a state."""

    name: str
    before: tuple[CrawlState, ...]
    after: CrawlState


def _transition(name: str, *before: CrawlState, to: CrawlState) -> Transition:
    return Transition(name=name, before=before, after=to)


#: The next chord, or the first page alone, is asked for.
BEGIN_ROUND = _transition("begin round", CrawlState.OPEN, to=CrawlState.OPEN)
#: What was read so far no longer counts.
RESTART = _transition("restart", CrawlState.OPEN, to=CrawlState.OPEN)
#: Tend sends what was lost again, in the same round.
REVIVE = _transition("revive", CrawlState.OPEN, to=CrawlState.OPEN)
#: Every page that counts is stored.
SETTLE = _transition("settle", CrawlState.OPEN, to=CrawlState.SETTLED)
#: The first page shows that nothing has changed.
END_UNCHANGED = _transition("end unchanged", CrawlState.OPEN, to=CrawlState.UNCHANGED)
#: The message to publish was lost, and is sent again.
SEND_AGAIN = _transition("send again", CrawlState.SETTLED, to=CrawlState.SETTLED)
#: The mirror has what was read.
PUBLISH = _transition("publish", CrawlState.SETTLED, to=CrawlState.PUBLISHED)
#: The crawl cannot be brought to its end; its reason says why.
FAIL = _transition("fail", *UNFINISHED, to=CrawlState.FAILED)
#: A later sync finds the crawl left unfinished for so long that its pages are of no use.
EXPIRE = _transition("expire", CrawlState.OPEN, to=CrawlState.FAILED)
#: A later sync goes on from what a failed crawl had stored a short time ago.
REOPEN = _transition("reopen", CrawlState.FAILED, to=CrawlState.OPEN)

#: Every transition there is; a crawl begins open.
TRANSITIONS = (
    BEGIN_ROUND,
    RESTART,
    REVIVE,
    SETTLE,
    END_UNCHANGED,
    SEND_AGAIN,
    PUBLISH,
    FAIL,
    EXPIRE,
    REOPEN,
)


def moving(transition: Transition, chosen: sa.ColumnElement[bool], **values: Any) -> ReturningUpdate[Any]:
    """Build the UPDATE of a transition, guarded by the states before it; it returns the row as it then stands.

    Whoever executes it gives the further new values as parameters that are named like their columns.
    """
    is_before = crawls.c.state.in_(transition.before)
    return sa.update(crawls).where(is_before, chosen).values(state=transition.after, **values).returning(*crawls.c)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One asset of a spot: its counts, how often it was looked into, and whether its pages are consistent."""

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
    #: Why it reads everything, whatever its first page says; None if the short cut may be taken.
    forced_by: Reason | None
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
    trouble: Trouble | None
    error: str | None
    opened_at: datetime
    moved_at: datetime
    #: What its location is called here, for people.
    name: str = ""

    def has_place(self, index: int) -> bool:
        """Return whether the page of this index counts: in a spot crawl, whether its asset still has it."""
        if self.kind is not CrawlKind.SPOT:
            return True
        total = self.scopes[index // PAGES_A_SCOPE].total
        return total is None or index % PAGES_A_SCOPE < total

    @property
    def is_chained(self) -> bool:
        """Whether the crawl follows cursors, one request after the other."""
        return RESOURCES[self.resource].paging is Paging.CURSOR

    @property
    def is_unfinished(self) -> bool:
        """Whether anything remains to be done."""
        return self.state in UNFINISHED


class Crawls:
    """The crawls of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, crawl_id: int) -> Crawl:
        """Return the crawl of this id, which must exist."""
        [row] = self._database.fetch(_OF_ID, {"of": crawl_id})
        return make_crawl(row)

    def of_sync(self, sync_id: int) -> list[Crawl]:
        """Return the crawls of a sync, in the order in which they were opened."""
        return [make_crawl(row) for row in self._database.fetch(_OF_SYNC, {"of": sync_id})]

    def open_of(self, location_id: int) -> list[Crawl]:
        """Return the open crawls of a location: those that still ask for pages."""
        here = (streams.c.location_id == location_id) & (crawls.c.state == CrawlState.OPEN)
        with self._database.once() as connection:
            return [make_crawl(row) for row in connection.execute(_EVERY.where(here))]

    def last_total(self, stream_id: int) -> int | None:
        """Return how many pages the last full crawl of a stream had; None if no first page ever showed it."""
        here = (crawls.c.stream_id == stream_id) & (crawls.c.kind == CrawlKind.FULL) & crawls.c.total.is_not(None)
        with self._database.once() as connection:
            total: int | None = connection.scalar(
                sa.select(crawls.c.total).where(here).order_by(crawls.c.id.desc()).limit(1)
            )
            return total

    def note_first(self, crawl: Crawl, version: str | None, total: int | None) -> Crawl | None:
        """Note what the first page shows. The base version is that of the first answer.

        None if the crawl has moved on since: a late answer must not overwrite a later decision.
        """
        values = {"first_version": version, "version": version, "total": total, "moved_at": self._database.now()}
        return _as_it_stands(crawl, self._database.fetch(_NOTE_FIRST, _as_seen(crawl) | values))

    def begin_round(self, crawl: Crawl, *, is_reread: bool = False, is_revival: bool = False) -> Crawl | None:
        """Begin the next round."""
        steps = {"another_reread": int(is_reread), "another_revival": int(is_revival)}
        return self._move(crawl, _BEGIN_ROUND, _as_seen(crawl) | steps)

    def restart(self, crawl: Crawl, *, is_drift: bool) -> Crawl | None:
        """Begin again from nothing: with the same request if the data moved, otherwise with a full crawl.

        What the crawl went on from (a version, a cursor, a batch token) is dead at Apple then. A delta from it is of no
        use any more, neither for this crawl nor for the next.
        """
        if is_drift:
            return self._move(crawl, _RESTART, _as_seen(crawl))
        with self._database.write() as connection:
            rows = _RESTART_IN_FULL.run(connection, _as_seen(crawl) | self._moved())
            if rows:
                _FORGET_BASE.run(connection, {"stream": crawl.stream_id, "base": crawl.since})
            return _as_it_stands(crawl, rows)

    def settle(
        self,
        crawl: Crawl,
        *,
        is_consistent: bool,
        version: str | None,
        total: int | None,
        scopes: tuple[Scope, ...] = (),
    ) -> Crawl | None:
        """Note that every page that counts is stored; the crawl is published next."""
        values = {"is_consistent": is_consistent, "version": version, "total": total, "scopes": dump_scopes(scopes)}
        return self._move(crawl, _SETTLE, _as_seen(crawl) | values)

    def revive(self, crawl: Crawl) -> Crawl | None:
        """Count a revival that begins no round."""
        return self._move(crawl, _REVIVE, {"of": crawl.id, "seen_revivals": crawl.revivals})

    def send_again(self, crawl: Crawl) -> Crawl | None:
        """Note that a settled crawl is sent to be published again; None if it is being published at the moment.

        A publish holds the row of its crawl until it ends. That lock is skipped, not waited for.
        """
        return self._move(crawl, _SEND_AGAIN, {"of": crawl.id, "seen_at": crawl.moved_at})

    def end_unchanged(self, crawl: Crawl, version: str | None) -> Crawl | None:
        """End a crawl whose first page shows that the mirror is in step; a delta moves the version all the same.

        None also if a full crawl was asked for since the crawl was looked at.
        """
        now = self._database.now()
        with self._database.write() as connection:
            ended = {"of": crawl.id, "version": version} | _ended(now)
            rows = _END_UNCHANGED.run(connection, ended)
            if not rows:
                return None
            values: dict[str, Any] = {"problem": None, "error": None, "failures": 0}
            values |= {"published_at": now, "seen_at": crawl.opened_at}
            if version is not None:
                values["version"] = version
            if crawl.kind is CrawlKind.FULL:
                values["full_at"] = now
            _UPDATE_STREAM.run(connection, {"stream": crawl.stream_id} | values)
            return _as_it_stands(crawl, rows)

    def fail(self, crawl: Crawl, cause: Cause) -> Crawl | None:
        """End a crawl in failure; its stream shows the reason until a later crawl succeeds."""
        now = self._database.now()
        with self._database.write() as connection:
            rows = _FAIL.run(connection, {"of": crawl.id} | vars(cause) | _ended(now))
            if not rows:
                return None
            values: dict[str, Any] = {"problem": cause.reason, "error": cause.error} | _rest(connection, crawl, now)
            if cause.trouble is Trouble.BUG:  # whatever the bug was: the next crawl proves nothing by this one's proof
                values |= {"proof_id": None, "proof_digest": None}
            _UPDATE_STREAM.run(connection, {"stream": crawl.stream_id} | values)
            return _as_it_stands(crawl, rows)

    def _move(self, crawl: Crawl, move: Prepared, values: Mapping[str, Any]) -> Crawl | None:
        return _as_it_stands(crawl, self._database.fetch(move, {**values, **self._moved()}))

    def _moved(self) -> dict[str, Any]:
        return {"moved_at": self._database.now()}


def _as_seen(crawl: Crawl) -> dict[str, Any]:
    """Return the parameters of a statement that moves a crawl only as the caller saw it."""
    return {"of": crawl.id, "seen_round": crawl.round}


def _rest(connection: sa.Connection, crawl: Crawl, now: datetime) -> dict[str, Any]:
    """Return the columns that let a stream rest, the longer the more often it failed; a spot crawl's rests by asset."""
    if crawl.kind is CrawlKind.SPOT:
        return {}
    failures = lock_stream(connection, crawl.stream_id).failures + 1
    return {"failures": failures, "due_at": now + rest_after(failures)}


def rest_after(failures: int) -> timedelta:
    """Return how long a stream rests after this many failures in a row."""
    rest: timedelta = min(LONGEST_REST, FIRST_REST * 2 ** min(failures - 1, 16))
    return rest


def _ended(now: datetime) -> dict[str, Any]:
    return {"moved_at": now, "ended_at": now}


_OWN: Columns = own_columns(Crawl, crawls)

#: Which column each field of a crawl comes from.
CRAWL: Columns = {
    **_OWN,
    "location_id": streams.c.location_id,
    "resource": streams.c.resource,
    "uid": locations.c.uid,
    "name": locations.c.name,
}


def make_crawl(row: Any) -> Crawl:
    """Build a crawl from a row that has the columns of `CRAWL`."""
    return Crawl(**_typed(pick(row, CRAWL)))


def _as_it_stands(crawl: Crawl, moved: Sequence[Row]) -> Crawl | None:
    """Return a crawl with the values that its own row has now; None if no row was moved."""
    return replace(crawl, **_typed(pick(moved[0], _OWN))) if moved else None


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    forced_by, trouble = values["forced_by"], values["trouble"]
    return values | {
        "state": CrawlState(values["state"]),
        "kind": CrawlKind(values["kind"]),
        "scopes": tuple(Scope(**one) for one in values["scopes"] or ()),
        "forced_by": None if forced_by is None else Reason(forced_by),
        "trouble": None if trouble is None else Trouble(trouble),
    }


def dump_scopes(scopes: tuple[Scope, ...]) -> list[dict[str, Any]] | None:
    """Return scopes as they are stored."""
    return [asdict(scope) for scope in scopes] or None


#: Every crawl with the names of what it reads. Frequent statements are built once: that costs more than executing one.
_EVERY = (
    sa.select(*CRAWL.values())
    .join(streams, streams.c.id == crawls.c.stream_id)
    .join(locations, locations.c.id == streams.c.location_id)
    .order_by(crawls.c.id)
)
_OF_ID = Prepared(_EVERY.where(crawls.c.id == sa.bindparam("of")))
_OF_SYNC = Prepared(_EVERY.where(crawls.c.sync_id == sa.bindparam("of")))

_IT = crawls.c.id == sa.bindparam("of")
_AS_SEEN = _IT & (crawls.c.round == sa.bindparam("seen_round"))
_OPEN = crawls.c.state == CrawlState.OPEN
_NOTE_FIRST = Prepared(
    sa.update(crawls)
    .where(_AS_SEEN & _OPEN)
    .values(base_version=sa.func.coalesce(crawls.c.base_version, sa.bindparam("first_version")))
    .returning(*crawls.c)
)

_ROUND = crawls.c.round + 1
_REREAD = sa.bindparam("another_reread", type_=sa.Integer)
_REVIVAL = sa.bindparam("another_revival", type_=sa.Integer)
_BEGIN_ROUND = Prepared(
    moving(
        BEGIN_ROUND,
        _AS_SEEN,
        round=_ROUND,
        rereads=crawls.c.rereads + _REREAD,
        drift=crawls.c.drift + _REREAD,
        revivals=crawls.c.revivals + _REVIVAL,
    )
)
_ANEW = {"round": _ROUND, "floor": _ROUND, "restarts": crawls.c.restarts + 1}
_RESTART = Prepared(moving(RESTART, _AS_SEEN, **_ANEW, drift=crawls.c.drift + 1))
_RESTART_IN_FULL = Prepared(moving(RESTART, _AS_SEEN, **_ANEW, kind=CrawlKind.FULL, since=None, base_version=None))
_SETTLE = Prepared(moving(SETTLE, _AS_SEEN, round=_ROUND))
_SEEN_REVIVALS = crawls.c.revivals == sa.bindparam("seen_revivals")
_REVIVE = Prepared(moving(REVIVE, _IT & _SEEN_REVIVALS, revivals=crawls.c.revivals + 1))
_IS_SETTLED = (crawls.c.state == CrawlState.SETTLED) & (crawls.c.moved_at == sa.bindparam("seen_at"))
_FREE = sa.select(crawls.c.id).where(_IT & _IS_SETTLED).with_for_update(skip_locked=True)
_SEND_AGAIN = Prepared(moving(SEND_AGAIN, _IT & crawls.c.id.in_(_FREE)))
_MAY_END = (crawls.c.kind != CrawlKind.FULL) | crawls.c.forced_by.is_(None)
_END_UNCHANGED = Prepared(moving(END_UNCHANGED, _IT & _MAY_END))
_FAIL = Prepared(moving(FAIL, _IT))

_CHANGING_STREAM = sa.update(streams).where(streams.c.id == sa.bindparam("stream"))
_UPDATE_STREAM = Prepared(_CHANGING_STREAM)
_FORGET_BASE = Prepared(_CHANGING_STREAM.where(streams.c.version == sa.bindparam("base")).values(version=None))
