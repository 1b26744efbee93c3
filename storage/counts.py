"""Counts: how many assignments Apple says that an asset has, beside how many are listed here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from .database import Database
from .mirrors import MIRRORS
from .schema import disagreements
from .upserts import insert_or


@dataclass(frozen=True, kw_only=True)
class Look:
    """The last time that somebody looked into a disagreement: what the numbers were, and how often it was tried."""

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


class Counts:
    """Compares counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def differing(self, location_id: int) -> list[Disagreement]:
        """Give the assets of a location whose counts disagree."""
        assets, assignments = MIRRORS["assets"].table, MIRRORS["assignments"].table
        listed = (
            sa.select(assignments.c.adam_id, assignments.c.pricing_param, sa.func.count().label("listed"))
            .where(assignments.c.location_id == location_id)
            .group_by(assignments.c.adam_id, assignments.c.pricing_param)
            .subquery()
        )
        number = sa.func.coalesce(listed.c.listed, 0)
        query = (
            sa.select(assets.c.adam_id, assets.c.pricing_param, assets.c.assigned_count, number, disagreements)
            .outerjoin(listed, _same_asset(assets, listed))
            .outerjoin(disagreements, _same_asset(assets, disagreements) & (disagreements.c.location_id == location_id))
            .where((assets.c.location_id == location_id) & (assets.c.assigned_count != number))
            .order_by(assets.c.adam_id, assets.c.pricing_param)
        )
        with self._database.read() as connection:
            return [_disagreement(row) for row in connection.execute(query)]

    def note(self, location_id: int, looks: Sequence[Disagreement]) -> None:
        """Note that disagreements are being looked into."""
        with self._database.write() as connection:
            for one in looks:
                assert one.last is not None  # noqa: S101 - a look is what is noted
                values: dict[str, Any] = {"counted": one.last.counted, "listed": one.last.listed}
                values |= {"attempts": one.last.attempts, "again_at": one.last.again_at}
                keys = {"location_id": location_id, "adam_id": one.adam_id, "pricing_param": one.pricing_param}
                statement = insert_or(connection, disagreements).values(keys | values)
                connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=values))

    def forget_all_but(self, location_id: int, differing: Sequence[Disagreement]) -> None:
        """Forget what agrees again."""
        kept = [(one.adam_id, one.pricing_param) for one in differing]
        here = disagreements.c.location_id == location_id
        asset = sa.tuple_(disagreements.c.adam_id, disagreements.c.pricing_param)
        with self._database.write() as connection:
            connection.execute(sa.delete(disagreements).where(here & asset.not_in(kept)))

    def known(self, location_id: int) -> list[Disagreement]:
        """Give the disagreements that were looked into, and did not end."""
        return [one for one in self.differing(location_id) if one.last is not None]


def _same_asset(one: Any, other: Any) -> Any:
    return (one.c.adam_id == other.c.adam_id) & (one.c.pricing_param == other.c.pricing_param)


def _disagreement(row: Any) -> Disagreement:
    last = None
    if row.again_at is not None:
        last = Look(counted=row.counted, listed=row.listed, attempts=row.attempts, again_at=row.again_at)
    return Disagreement(adam_id=row[0], pricing_param=row[1], counted=row[2], listed=row[3], last=last)
