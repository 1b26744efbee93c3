"""Sums: how many licences there are in all, and how many of them are given."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..database import Database
from ..schema import locations
from .tables import MIRRORS

_ASSETS = MIRRORS["assets"].table


@dataclass(frozen=True, kw_only=True)
class LicenceSums:
    """The licences of all watched locations."""

    #: How many different apps and books.
    apps: int
    total: int
    assigned: int
    available: int
    retired: int


class Sums:
    """Adds up the licences of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def licences(self) -> LicenceSums:
        """Return the sums over all watched locations."""
        columns: dict[str, Any] = {"apps": sa.func.count(sa.distinct(_ASSETS.c.adam_id))}
        columns |= {
            name: sa.func.coalesce(sa.func.sum(_ASSETS.c[f"{name}_count"]), 0)
            for name in ("total", "assigned", "available", "retired")
        }
        statement = sa.select(*(column.label(name) for name, column in columns.items()))
        statement = statement.join(locations, (locations.c.id == _ASSETS.c.location_id) & locations.c.is_watched)
        with self._database.once() as connection:
            row = connection.execute(statement.select_from(_ASSETS)).one()
        return LicenceSums(**{name: int(value) for name, value in row._asdict().items()})
