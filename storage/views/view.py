"""One view: what it answers, what its columns mean, and how both databases make them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from ..sql import Moment


@dataclass(frozen=True, kw_only=True)
class Words:
    """What the two databases say differently."""

    is_postgresql: bool

    def joined(self, document: str) -> str:
        """Return a list in JSON as one text."""
        if self.is_postgresql:
            return f"(SELECT string_agg(one, ', ') FROM jsonb_array_elements_text({document}) AS one)"
        return f"(SELECT group_concat(value, ', ') FROM json_each({document}))"

    def number(self, document: str, *path: str) -> str:
        """Return a number inside a JSON object; null where there is none."""
        if self.is_postgresql:
            return f"({document} #>> '{{{','.join(path)}}}')::bigint"
        return f"json_extract({document}, '$.{'.'.join(path)}')"

    def text(self, document: str, name: str) -> str:
        """Return a text inside a JSON object that is stored as text."""
        if self.is_postgresql:
            return f"({document}::jsonb ->> '{name}')"
        return f"json_extract({document}, '$.{name}')"

    def age(self, moment: str) -> str:
        """Return how many seconds ago a moment was."""
        if self.is_postgresql:
            return f"extract(epoch FROM clock_timestamp() - {moment})::bigint"
        return f"CAST((julianday('now') - julianday({moment})) * 86400 AS INTEGER)"

    def day_ago(self, days: int) -> str:
        """Return the day, of UTC, so many days ago."""
        if self.is_postgresql:
            return f"((now() AT TIME ZONE 'UTC')::date - {days})"
        return f"date('now', '-{days} days')"

    def day_number(self, day: str) -> str:
        """Return a day as a number that grows by one each day."""
        return f"({day} - DATE '2000-01-01')::bigint" if self.is_postgresql else f"CAST(julianday({day}) AS INTEGER)"

    def days_since(self, day: str) -> str:
        """Return how many days ago a day was."""
        if self.is_postgresql:
            return f"((now() AT TIME ZONE 'UTC')::date - {day})"
        return f"CAST(julianday(date('now')) - julianday({day}) AS INTEGER)"

    def greatest(self, *numbers: str) -> str:
        """Return the greatest of some numbers."""
        return f"{'greatest' if self.is_postgresql else 'max'}({', '.join(numbers)})"

    def least(self, *numbers: str) -> str:
        """Return the least of some numbers."""
        return f"{'least' if self.is_postgresql else 'min'}({', '.join(numbers)})"

    def floor(self, number: str) -> str:
        """Return the whole part of a number that is not negative."""
        return f"floor({number})::bigint" if self.is_postgresql else f"CAST({number} AS INTEGER)"

    def days_ago(self, days: int) -> str:
        """Return the moment so many days ago."""
        if self.is_postgresql:
            return f"now() - interval '{days} days'"
        return f"datetime('now', '-{days} days')"


@dataclass(frozen=True, kw_only=True)
class View:
    """One view: what it answers, what its columns mean, and how they are made."""

    name: str
    #: The question, in one line.
    about: str
    #: The columns in their order, each with its meaning.
    columns: Mapping[str, str]
    #: The columns that a person looks at first, the most important first: as many of them are shown as fit.
    shown: tuple[str, ...]
    #: In which order a report shows the rows: the worst first. A minus stands before a column whose largest is first.
    order: tuple[str, ...]
    #: A question of somebody's own, for the documents.
    example: str
    query: Callable[[Words], str]
    #: The columns whose values together are those of one row alone.
    key: tuple[str, ...]
    #: The resources whose lists it is made from: without one of them a row may be missing.
    lists: tuple[str, ...] = ()
    #: Columns that are never null and have an index: the first rows by one of them are found without sorting all.
    indexed: tuple[str, ...] = ()

    @cached_property
    def table(self) -> sa.TableClause:
        """Return the view as a statement reads it."""
        return sa.table(self.name, *(sa.column(name, _TYPES.get(name, sa.Text())) for name in self.columns))

    @cached_property
    def kinds(self) -> Mapping[str, type]:
        """Return of which type each column is."""
        types = {name: self.table.c[name].type for name in self.columns}
        return {name: datetime if isinstance(one, Moment) else one.python_type for name, one in types.items()}

    def text(self, dialect: str) -> str:
        """Return the query, for a person as well."""
        return self.query(Words(is_postgresql=dialect == "postgresql"))


def named(table: str, column: str = "adam_id") -> str:
    """Return the joins that name an app: by what its location alone sees, else by what all of its country do."""
    on = f"{table}.{column} = {{0}}.adam_id AND {{0}}.country = l.country AND {{0}}.catalogue = l.catalogue"
    return (
        f"LEFT JOIN listings own ON {on.format('own')} AND own.owner = l.uid "
        f"LEFT JOIN listings public ON {on.format('public')} AND public.owner = ''"
    )


def said(field: str) -> str:
    """Return what the store says of an app in one respect."""
    return f"coalesce(own.{field}, public.{field})"


def name_of(table: str, column: str = "adam_id") -> str:
    """Return the name of an app; its number where no name is known."""
    return f"coalesce(own.name, public.name, {table}.{column})"


PLACE = {
    "location": "the name of the location",
    "location_uid": "its uId at Apple",
}
APP = {
    "adam_id": "Apple's number of the app or book, as a text",
    "name": "its name in the store; the number where no name is known",
}
COUNTS = {
    "total": "licences owned",
    "assigned": "licences given to devices and users",
    "available": "licences left",
    "retired": "licences that can no longer be given to anybody",
}
AS_OF = {"as_of": "the mirror is at least as young as this"}


#: Columns that are no texts. A name means the same in every view.
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("as_of", "at", "token_expires", "last_full", "last_delta", "missing_since"), Moment()),
    **dict.fromkeys(("device_assignable", "revocable", "is_custom"), sa.Boolean()),
    **dict.fromkeys((*COUNTS, "age_seconds", "lists", "unread", "failing", "held_deletes"), sa.BigInteger()),
    **dict.fromkeys(("seq", "crawl", "locations", "spread", "assignments", "expiring"), sa.BigInteger()),
    **dict.fromkeys(("total_everywhere", "assigned_everywhere", "available_everywhere"), sa.BigInteger()),
    **dict.fromkeys(("unexplained", "unlisted", "assigned_7d", "assigned_30d", "days_left"), sa.BigInteger()),
    **dict.fromkeys(("buy_for_90_days", "idle_30d", "idle_90d", "free_for_days", "short_elsewhere"), sa.BigInteger()),
    "used_percent": sa.Float(),
}
