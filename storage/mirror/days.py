"""Days: how many licences of an asset there were at the end of each day on which that changed.

The view of what is running out would otherwise have to look through the feed. A day is one of UTC.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from ..database import Database
from ..schema import asset_days, locations
from ..sql import Identity, insert_or

#: What the views look back on, and some more.
DAYS_KEPT = timedelta(days=120)

#: The resource whose counts are kept.
COUNTED = "assets"

_COUNTS = {"total": "total_count", "assigned": "assigned_count", "available": "available_count"}


def note_days(connection: sa.Connection, location_id: int, difference: sa.FromClause, now: datetime) -> None:
    """Keep the counts of the assets that a publish changes, as those of this day."""
    dialect = connection.dialect.name
    is_lasting = isinstance(difference, sa.Table)  # then its statement is built once
    statement = _noting(dialect, difference) if is_lasting else _noting.__wrapped__(dialect, difference)
    connection.execute(statement, {"here": location_id, "today": _day(now)})


@cache
def _noting(dialect: str, difference: sa.FromClause) -> Any:
    is_gone = difference.c.op == "delete"
    counts = [sa.case((is_gone, 0), else_=sa.func.coalesce(difference.c[name], 0)) for name in _COUNTS.values()]
    key = (difference.c.adam_id, difference.c.pricing_param)
    here, day = sa.bindparam("here", type_=Identity), sa.bindparam("today", type_=sa.Date())
    earlier = (asset_days.c.location_id == here) & (asset_days.c.day < day)
    earlier &= (asset_days.c.adam_id == difference.c.adam_id) & (
        asset_days.c.pricing_param == difference.c.pricing_param
    )
    before = sa.select(asset_days.c.assigned, asset_days.c.available).where(earlier)
    before = before.order_by(asset_days.c.day.desc()).limit(1)
    if dialect == "postgresql":  # one look for both counts, which SQLite cannot do
        last = before.lateral("last")
        rows = sa.select(here, *key, day, *counts, *last.c).select_from(difference.outerjoin(last, sa.true()))
    else:
        each = (before.with_only_columns(asset_days.c[name]).scalar_subquery() for name in ("assigned", "available"))
        rows = sa.select(here, *key, day, *counts, *each)
    names = ["location_id", "adam_id", "pricing_param", "day", *_COUNTS, "was_assigned", "was_available"]
    statement = insert_or(dialect, asset_days).from_select(names, rows.where(sa.true()))
    newer = {name: statement.excluded[name] for name in _COUNTS}
    return statement.on_conflict_do_update(index_elements=names[:4], set_=newer)


#: An asset: the uId of its location, its number, and its pricing.
AssetKey = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class AssetDay:
    """The licences of an asset at the end of a day, or now if it is today."""

    day: date
    total: int
    assigned: int
    available: int


class AssetDays:
    """The days of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lines(self, keys: Collection[AssetKey], since: date) -> Mapping[AssetKey, Sequence[AssetDay]]:
        """Return how many licences of some assets there were, for each the days on which that changed.

        The last day before the first one that is wanted comes with them, if it is kept: it says how it was then.
        """
        found: dict[AssetKey, list[AssetDay]] = {}
        uids = {uid for uid, _, _ in keys}
        with self._database.once() as connection:
            some = sa.select(locations.c.uid, locations.c.id).where(locations.c.uid.in_(uids))
            ids = {row.uid: row.id for row in connection.execute(some)}
        here = sa.tuple_(asset_days.c.location_id, asset_days.c.adam_id, asset_days.c.pricing_param)
        wanted = [(ids[uid], adam_id, pricing) for uid, adam_id, pricing in keys if uid in ids]
        names = {number: uid for uid, number in ids.items()}
        rows = sa.select(asset_days).where(here.in_(wanted)).order_by(asset_days.c.day)
        with self._database.once() as connection:
            for row in connection.execute(rows) if wanted else ():
                key = names[row.location_id], row.adam_id, row.pricing_param
                days = found.setdefault(key, [])
                if row.day <= since:
                    days.clear()
                days.append(AssetDay(day=row.day, total=row.total, assigned=row.assigned, available=row.available))
        return found

    def sweep(self, now: datetime) -> None:
        """Delete the days before those that are kept, but for the last, which says how it was on the first of them."""
        oldest, later = _day(now - DAYS_KEPT), asset_days.alias("later")
        same = [later.c[name] == asset_days.c[name] for name in ("location_id", "adam_id", "pricing_param")]
        is_followed = sa.exists().where(*same, later.c.day > asset_days.c.day, later.c.day <= oldest)
        with self._database.write() as connection:
            connection.execute(sa.delete(asset_days).where(asset_days.c.day < oldest, is_followed))


def _day(moment: datetime) -> date:
    return moment.date()
