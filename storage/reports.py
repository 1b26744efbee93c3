"""Reports: rows of a view, chosen and put in order."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from .database import Database
from .errors import UnknownColumn, WrongPosition, WrongValue
from .limits import allow, allow_pauses
from .views import VIEWS, View

_ROWS_AT_ONCE = 2000

#: The reader of a report may be a person with a pager.
_SECONDS = 24 * 3_600.0

#: A view over millions of records is put in order before its first row comes.
_STATEMENT_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Search:
    """A text that is looked for, and in which columns."""

    text: str
    columns: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Paged:
    """One page of a view, in an order in which each row has its place: behind the last row of the page before it.

    Pages are found by what they follow and not by how many rows are before them: no row is shown twice, or left out,
    because another came or went meanwhile, and the last page takes no longer than the first.
    """

    #: The values of `paged_by` in the last row before it; None for the first page.
    after: Sequence[Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which rows and columns of a view are wanted, and in which order."""

    #: The columns; none for all.
    columns: Sequence[str] = ()
    #: What a column must be, as a text.
    where: Sequence[tuple[str, str]] = ()
    #: What a column is one of.
    among: Mapping[str, Collection[str]] = field(default_factory=dict)
    #: Only rows of these locations; none for all.
    locations: Sequence[str] = ()
    #: Columns to sort by, each with a minus before it for the largest first; none for the view's own order.
    sort: Sequence[str] = ()
    limit: int | None = None
    #: Only rows in one of these columns of which a text occurs, in whatever case.
    search: Search | None = None
    #: Which page is wanted of rows that are paged.
    page: Paged | None = None


class Reports:
    """The views of a database, as people read them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, view: View, choice: Choice, seconds: float = _STATEMENT_SECONDS) -> Iterator[Sequence[Any]]:
        """Return the rows, all of one state of the mirror; raise UnknownColumn for a column that the view has not.

        Somebody who waits for a page gives the seconds that the first rows may take.
        """
        are_few = choice.limit is not None and choice.limit <= _ROWS_AT_ONCE
        return self._stream(selection(view, choice), seconds, are_few=are_few)

    def grouped(
        self, view: View, by: Sequence[str], sums: Sequence[str], choice: Choice, seconds: float = _STATEMENT_SECONDS
    ) -> list[Sequence[Any]]:
        """Return how many rows there are of each value of some columns, with sums of others."""
        columns = [_column(view, name) for name in by]
        totals = (sa.func.coalesce(sa.func.sum(_column(view, name)), 0) for name in sums)
        rows = sa.select(*columns, sa.func.count(), *totals).group_by(*columns)
        chosen = selection(view, replace(choice, columns=by)).whereclause
        rows = rows if chosen is None else rows.where(chosen)
        with self._database.read(seconds) as connection:
            allow(connection, seconds)
            return [tuple(row) for row in connection.execute(rows.order_by(*columns).limit(choice.limit))]

    def read(self, name: str, columns: Sequence[str], locations: Sequence[str] = ()) -> Iterator[Sequence[Any]]:
        """Return some columns of the view of a name."""
        return self.rows(VIEWS[name], Choice(columns=columns, locations=locations))

    def _stream(self, statement: sa.Select[Any], seconds: float, *, are_few: bool) -> Iterator[Sequence[Any]]:
        """Read row by row; a few rows at once, for which PostgreSQL has better plans than for a cursor."""
        with self._database.read(_SECONDS) as connection:
            allow_pauses(connection)
            allow(connection, seconds)
            how = {} if are_few else {"yield_per": _ROWS_AT_ONCE}
            yield from map(tuple, connection.execute(statement, execution_options=how))


def columns_of(view: View, choice: Choice) -> list[str]:
    """Return the names of the columns that are wanted."""
    return [_column(view, name).name for name in choice.columns] or list(view.columns)


def paged_by(view: View, sort: Sequence[str] = ()) -> list[str]:
    """Return by which columns, with the order of each, the rows of a view are paged: each row has values of its own."""
    order = list(sort or view.order)
    known = {name.removeprefix("-") for name in order}
    return [*order, *(name for name in view.key if name not in known)]


def selection(view: View, choice: Choice) -> sa.Select[Any]:
    """Return the statement that reads what is wanted of a view."""
    statement = sa.select(*(view.table.c[name] for name in columns_of(view, choice)))
    for name, value in choice.where:
        statement = statement.where(_matches(_column(view, name), value))
    for name, values in choice.among.items():
        statement = statement.where(_column(view, name).in_(values))
    if choice.locations:
        statement = statement.where(_column(view, "location").in_(choice.locations))
    if choice.search is not None and choice.search.text:
        statement = statement.where(_contains(view, choice.search))
    order = choice.sort or view.order
    if choice.page is not None:
        order = paged_by(view, choice.sort)
        if choice.page.after is not None:
            statement = statement.where(_beyond(view, order, choice.page.after))
    statement = statement.order_by(*(_order(view, name) for name in order))
    return statement if choice.limit is None else statement.limit(choice.limit)


def _column(view: View, name: str) -> sa.ColumnClause[Any]:
    if name not in view.columns:
        raise UnknownColumn(f"('{name}'; {view.name} has {', '.join(view.columns)})")
    return view.table.c[name]


def _order(view: View, name: str) -> Any:
    column = _column(view, name.removeprefix("-"))
    ordered = column.desc() if name.startswith("-") else column.asc()
    return ordered if column.name in view.indexed else ordered.nulls_last()


def _beyond(view: View, order: Sequence[str], after: Sequence[Any]) -> Any:
    """Return the condition that a row comes after one with these values; where there is none, a row is at the end."""
    kinds = [view.kinds[name.removeprefix("-")] for name in order]
    if len(after) != len(order) or not all(map(_may_be, after, kinds)):
        raise WrongPosition
    beyond: list[Any] = []
    same: list[Any] = []
    for name, value in zip(order, after, strict=True):
        column = _column(view, name.removeprefix("-"))
        if value is not None:
            is_next = column < value if name.startswith("-") else column > value
            is_next = is_next if column.name in view.indexed else is_next | column.is_(None)
            beyond.append(sa.and_(*same, is_next))
        same.append(column.is_(None) if value is None else column == value)
    return sa.or_(sa.false(), *beyond)


def _number(column: sa.ColumnClause[Any], value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise WrongValue(f"('{column.name}' is a number, and not '{value}')") from None


def _may_be(value: Any, kind: type) -> bool:
    return value is None or isinstance(value, (int, float) if kind is float else kind)


def _contains(view: View, search: Search) -> Any:
    columns = (_column(view, name) for name in search.columns)
    return sa.or_(*(column.icontains(search.text, autoescape=True) for column in columns))


def _matches(column: sa.ColumnClause[Any], value: str) -> Any:
    """Return the condition that a column has a value as a person writes it; an empty one is none."""
    if value == "":
        return column.is_(None)
    if isinstance(column.type, sa.Boolean):
        return column.is_(value.lower() in {"yes", "true", "1"})
    if isinstance(column.type, sa.Text):
        return (sa.func.lower(column) == value.lower()) | (column == value)
    if isinstance(column.type, sa.Integer | sa.Float):
        return column == _number(column, value)
    return sa.cast(column, sa.Text) == value
