"""Browsing: the records of one resource, chosen by their fields, page by page, and counted by what they say."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from ..database import Database
from ..errors import UnknownColumn, WrongPosition
from ..limits import allow
from ..schema import locations, streams
from .tables import MIRRORS, Mirror

#: By which columns the records of a resource are counted: those with few different values.
FACETS: Mapping[str, tuple[str, ...]] = {
    "assets": ("product_type", "pricing_param", "device_assignable", "revocable"),
    "assignments": ("pricing_param", "user_status"),
    "users": ("standing", "status"),
    "subscriptions": ("status",),
    "subscription-assignments": ("renewing",),
    "subscription-admins": ("user_status",),
    "licenses": ("product_type_name", "pricing_param", "status", "is_irrevocable"),
    "legacy-users": ("status",),
    "legacy-assets": ("product_type_name", "pricing_param", "is_irrevocable", "device_assignable"),
}

#: What people look for: these columns, where a resource has them.
_SEARCHED = (
    *("serial_number", "client_user_id", "client_user_id_str", "email"),
    *("adam_id", "adam_id_str", "user_id", "user_id_str", "license_id_str"),
)

#: Of more records than this, no more are counted by what they say.
MOST_COUNTED = 500_000

#: Somebody waits for the page.
_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class RecordChoice:
    """Which records of a resource are wanted."""

    resource: str
    #: Only those of these locations; none for all that are watched.
    uids: Sequence[str] = ()
    #: Only those that say this of themselves, by the column.
    where: Mapping[str, str] = field(default_factory=dict)
    #: Only those in which a text occurs, in whatever case.
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class BrowsedRecord:
    """A record, and where it stands among all."""

    uid: str
    #: The location's name.
    place: str
    #: The record as Apple has it, as JSON, and how many are equal to it.
    record: str
    copies: int
    #: What the next page follows.
    position: tuple[Any, ...]


class Browser:
    """Reads records of the mirror page by page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, choice: RecordChoice, after: Sequence[Any] | None, limit: int) -> list[BrowsedRecord]:
        """Return the records that follow a position, in the order of their keys."""
        mirror = MIRRORS[choice.resource]
        table, key = mirror.table, [mirror.table.c[name] for name in ("location_id", *mirror.key)]
        copies = table.c.copies if mirror.is_counted else sa.literal(1)
        rows = sa.select(locations.c.uid, locations.c.name, table.c.record, copies.label("copies"), *key)
        rows = rows.join(locations, locations.c.id == table.c.location_id).where(*_wanted(mirror, choice))
        if after is not None:
            kinds = [int, *(str for _ in mirror.key)]
            if len(after) != len(key) or not all(map(isinstance, after, kinds)):
                raise WrongPosition
            given = (sa.literal(value, column.type) for column, value in zip(key, after, strict=True))
            rows = rows.where(sa.tuple_(*key) > sa.tuple_(*given))
        with self._database.read(_SECONDS) as connection:
            allow(connection, _SECONDS)
            found = connection.execute(rows.order_by(*key).limit(limit)).all()
        return [
            BrowsedRecord(
                uid=row.uid, place=row.name, record=row.record, copies=row.copies, position=tuple(row[-len(key) :])
            )
            for row in found
        ]

    def places(self, choice: RecordChoice) -> list[tuple[str, int]]:
        """Return how many records of a resource each location has, by its name, the most first."""
        rows = sa.select(locations.c.name, streams.c.records).join(streams, streams.c.location_id == locations.c.id)
        rows = rows.where(locations.c.is_watched, streams.c.resource == choice.resource, streams.c.records > 0)
        if choice.uids:
            rows = rows.where(locations.c.uid.in_(choice.uids))
        with self._database.once() as connection:
            return [(row.name, row.records) for row in connection.execute(rows.order_by(streams.c.records.desc()))]

    def facets(self, choice: RecordChoice) -> dict[str, list[tuple[str, int]]]:
        """Return how often records say each thing of themselves; each column is counted without its own condition."""
        mirror, names = MIRRORS[choice.resource], FACETS[choice.resource]
        free = [name for name in names if name not in choice.where]
        with self._database.read(_SECONDS) as connection:
            allow(connection, _SECONDS)
            counted = _count(connection, mirror, choice, free)
            for name in choice.where:
                counted |= _count(connection, mirror, _without(choice, name), [name])
        return {name: counted[name] for name in names}


def _without(choice: RecordChoice, name: str) -> RecordChoice:
    return replace(choice, where={column: value for column, value in choice.where.items() if column != name})


def _count(
    connection: sa.Connection, mirror: Mirror, choice: RecordChoice, names: Sequence[str]
) -> dict[str, list[tuple[str, int]]]:
    """Count some columns with one look at the records: there are few different rows of them."""
    if not names:
        return {}
    columns = [mirror.table.c[name].label(name) for name in names]
    some = sa.select(*columns).join(locations, locations.c.id == mirror.table.c.location_id)
    each = some.where(*_wanted(mirror, choice)).limit(MOST_COUNTED).subquery()
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    for *values, count in connection.execute(sa.select(*each.c, sa.func.count()).group_by(*each.c)):
        for name, value in zip(names, values, strict=True):
            found[name][write_value(value)] += count
    return {name: counts.most_common() for name, counts in found.items()}


def write_value(value: Any) -> str:
    """Return a value as an address has it: `yes`, `no`, nothing where there is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _wanted(mirror: Mirror, choice: RecordChoice) -> list[Any]:
    table = mirror.table
    conditions: list[Any] = [locations.c.is_watched]
    if choice.uids:
        chosen = sa.select(locations.c.id).where(locations.c.uid.in_(choice.uids))
        conditions.append(table.c.location_id.in_(chosen))
    conditions += [_says(table, mirror, name, value) for name, value in choice.where.items()]
    if choice.text:
        searched = [table.c[name] for name in _SEARCHED if name in table.c and isinstance(table.c[name].type, sa.Text)]
        conditions.append(sa.or_(*(column.icontains(choice.text, autoescape=True) for column in searched)))
    return conditions


def _says(table: sa.Table, mirror: Mirror, name: str, value: str) -> Any:
    if name not in FACETS[mirror.resource.name]:
        raise UnknownColumn(f"('{name}'; {mirror.resource.name} has {', '.join(FACETS[mirror.resource.name])})")
    column = table.c[name]
    if value == "":
        return column.is_(None)
    if isinstance(column.type, sa.Boolean):
        return column.is_(value == "yes")
    return column == value
