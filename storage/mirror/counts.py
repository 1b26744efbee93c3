"""Counts: how many assignments Apple says that an asset has, beside how many are listed here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..database import Database
from ..ledger.crawls import Crawl, Scope
from ..schema import comparisons, disagreements
from ..sql import insert_or
from .tables import MIRRORS


@dataclass(frozen=True, kw_only=True)
class Look:
    """The last look into a disagreement: its numbers, and how many looks there were."""

    counted: int
    listed: int
    attempts: int
    again_at: datetime


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """An asset whose count is not the number of its assignments."""

    adam_id: str
    pricing_param: str
    #: Apple's count, and the assignments that are listed here.
    counted: int
    listed: int
    last: Look | None = None


#: How long an asset waits after it was looked into in vain, doubled by each further time.
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(days=1)

#: How much the clocks of hosts may differ.
_SKEW = timedelta(minutes=2)


class Moves(NamedTuple):
    """How often publishes had moved assets and assignments."""

    assets: int
    assignments: int


class Counts:
    """Compares counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def differing(self, location_id: int) -> list[Disagreement]:
        """Return the assets of a location whose counts disagree, including those that Apple no longer lists."""
        with self._database.read() as connection:
            return [_disagreement(row) for row in connection.execute(_DIFFERING, {"here": location_id})]

    def is_due(self, location_id: int, now: datetime) -> bool:
        """Return whether any stored disagreement is to be looked into again."""
        with self._database.once() as connection:
            return bool(connection.scalar(_IS_DUE, {"here": location_id, "now": now}))

    def is_compared(self, location_id: int, seen: Moves) -> bool:
        """Return whether counts were compared since a publish last moved assets or assignments."""
        with self._database.once() as connection:
            row = connection.execute(_COMPARED, {"here": location_id}).one_or_none()
        return row is not None and Moves(*row) == seen

    def note_comparison(self, location_id: int, seen: Moves, noted: Sequence[Disagreement]) -> None:
        """Store what a comparison found, and the moves that it saw; delete disagreements that are over."""
        with self._database.write() as connection:
            _note(connection, _rows(location_id, noted))
            connection.execute(_FORGET_AGREEING, {"here": location_id})
            statement = insert_or(connection.dialect.name, comparisons).values(
                location_id=location_id, **seen._asdict()
            )
            connection.execute(statement.on_conflict_do_update(index_elements=["location_id"], set_=seen._asdict()))

    def note(self, location_id: int, looks: Sequence[Disagreement]) -> None:
        """Note when disagreements are to be looked into again."""
        with self._database.write() as connection:
            _note(connection, _rows(location_id, looks))

    def note_failure(self, crawl: Crawl) -> None:
        """Note that the assets of a crawl could not be looked into."""
        now = self._database.now()
        with self._database.write() as connection:
            note_looks(connection, crawl, now)

    def known(self, location_id: int) -> list[Disagreement]:
        """Return the disagreements that were looked into, and did not end."""
        return [one for one in self.differing(location_id) if one.last is not None and one.last.attempts]

    def looked_into(self) -> set[int]:
        """Return the locations that have any such: few, and counting those of a location is a pass over its rows."""
        with self._database.once() as connection:
            return set(connection.scalars(_LOOKED_INTO))


def _rows(location_id: int, noted: Sequence[Disagreement]) -> list[dict[str, Any]]:
    return [{**_names(location_id, one), **vars(one.last)} for one in noted if one.last is not None]


def note_looks(connection: sa.Connection, crawl: Crawl, now: datetime) -> None:
    """Note that the assets of a crawl were looked into, or that this failed."""
    rows = []
    for scope in crawl.scopes:
        is_first_failure = scope.attempts == 0 and not scope.is_consistent  # then the next sync may try at once
        wait = -_SKEW if is_first_failure else _wait_after(scope.attempts)
        look = Look(counted=scope.counted, listed=scope.listed, attempts=scope.attempts + 1, again_at=now + wait)
        rows.append({**_names(crawl.location_id, scope), **vars(look)})
    _note(connection, rows)


def note_full_look(connection: sa.Connection, location_id: int, now: datetime) -> None:
    """Note that everything was read because of counts: all that was due was looked into."""
    here = (disagreements.c.location_id == location_id) & (disagreements.c.again_at <= now + _SKEW)
    due = connection.execute(sa.select(disagreements).where(here)).all()
    rows = [{**row._asdict(), "attempts": row.attempts + 1, "again_at": now + _wait_after(row.attempts)} for row in due]
    _note(connection, rows)


def _wait_after(attempts: int) -> timedelta:
    wait: timedelta = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempts, 16))
    return wait


def _note(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        statement = insert_or(connection.dialect.name, disagreements)
        kept = {name: statement.excluded[name] for name in ("counted", "listed", "attempts", "again_at")}
        keys = ["location_id", "adam_id", "pricing_param"]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=kept), rows)


def _names(location_id: int, asset: Disagreement | Scope) -> dict[str, Any]:
    return {"location_id": location_id, "adam_id": asset.adam_id, "pricing_param": asset.pricing_param}


#: The location.
_HERE: sa.BindParameter[int] = sa.bindparam("here")


def _differing() -> sa.Select[Any]:
    """Build the statement for the assets of a location whose counts disagree, each with its last look."""
    assets, assignments = MIRRORS["assets"].table, MIRRORS["assignments"].table
    listed = (
        sa.select(assignments.c.adam_id, assignments.c.pricing_param, sa.func.count().label("listed"))
        .where(assignments.c.location_id == _HERE)
        .group_by(assignments.c.adam_id, assignments.c.pricing_param)
        .subquery()
    )
    number = sa.func.coalesce(listed.c.listed, 0).label("listed")
    here = assets.c.location_id == _HERE
    counted = (
        sa.select(assets.c.adam_id, assets.c.pricing_param, assets.c.assigned_count.label("counted"), number)
        .outerjoin(listed, _same_asset(assets, listed))
        .where(here & (assets.c.assigned_count != number))
    )
    gone = sa.select(listed.c.adam_id, listed.c.pricing_param, sa.literal(0), listed.c.listed).where(
        ~sa.exists().where(here & _same_asset(assets, listed))
    )
    both = counted.union_all(gone).subquery()
    last = disagreements
    mine = _same_asset(both, last) & (last.c.location_id == _HERE)
    noted = (last.c.counted.label("last_counted"), last.c.listed.label("last_listed"), last.c.attempts, last.c.again_at)
    return sa.select(both, *noted).outerjoin(last, mine).order_by(both.c.adam_id, both.c.pricing_param)


def _same_asset(one: Any, other: Any) -> Any:
    return (one.c.adam_id == other.c.adam_id) & (one.c.pricing_param == other.c.pricing_param)


def _disagreement(row: Any) -> Disagreement:
    last = None
    if row.again_at is not None:
        last = Look(counted=row.last_counted, listed=row.last_listed, attempts=row.attempts, again_at=row.again_at)
    return Disagreement(
        adam_id=row.adam_id, pricing_param=row.pricing_param, counted=row.counted, listed=row.listed, last=last
    )


# Frequent statements are built once: that costs more than executing one.
_DIFFERING = _differing()
_STILL = _DIFFERING.order_by(None).subquery()
_OF_LOCATION = disagreements.c.location_id == _HERE
_FORGET_AGREEING = sa.delete(disagreements).where(_OF_LOCATION & ~sa.exists().where(_same_asset(disagreements, _STILL)))
_IS_DUE = sa.select(sa.exists().where(_OF_LOCATION & (disagreements.c.again_at <= sa.bindparam("now"))))
_LOOKED_INTO = sa.select(disagreements.c.location_id).where(disagreements.c.attempts > 0).distinct()
_COMPARED = sa.select(comparisons.c.assets, comparisons.c.assignments).where(comparisons.c.location_id == _HERE)
