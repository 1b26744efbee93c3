"""Reports: rows of a view, chosen and put in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .database import Database
from .errors import UnknownColumn
from .limits import allow, allow_pauses
from .views import VIEWS, View

_ROWS_AT_ONCE = 2000

#: The reader of a report may be a person with a pager.
_SECONDS = 24 * 3_600.0

#: A view over millions of records is put in order before its first row comes.
_STATEMENT_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which rows and columns of a view are wanted, and in which order."""

    #: The columns; none for all.
    columns: Sequence[str] = ()
    #: What a column must be, as a text.
    where: Sequence[tuple[str, str]] = ()
    #: Only rows of these locations; none for all.
    locations: Sequence[str] = ()
    #: Columns to sort by, each with a minus before it for the largest first; none for the view's own order.
    sort: Sequence[str] = ()
    limit: int | None = None


class Reports:
    """The views of a database, as people read them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, view: View, choice: Choice) -> Iterator[Sequence[Any]]:
        """Return the rows, all of one state of the mirror; raise UnknownColumn for a column that the view has not."""
        are_few = choice.limit is not None and choice.limit <= _ROWS_AT_ONCE
        return self._stream(selection(view, choice), are_few=are_few)

    def read(self, name: str, columns: Sequence[str], locations: Sequence[str] = ()) -> Iterator[Sequence[Any]]:
        """Return some columns of the view of a name."""
        return self.rows(VIEWS[name], Choice(columns=columns, locations=locations))

    def _stream(self, statement: sa.Select[Any], *, are_few: bool) -> Iterator[Sequence[Any]]:
        """Read row by row; a few rows at once, for which PostgreSQL has better plans than for a cursor."""
        with self._database.read(_SECONDS) as connection:
            allow_pauses(connection)
            allow(connection, _STATEMENT_SECONDS)
            how = {} if are_few else {"yield_per": _ROWS_AT_ONCE}
            yield from map(tuple, connection.execute(statement, execution_options=how))


def columns_of(view: View, choice: Choice) -> list[str]:
    """Return the names of the columns that are wanted."""
    return [_column(view, name).name for name in choice.columns] or list(view.columns)


def selection(view: View, choice: Choice) -> sa.Select[Any]:
    """Return the statement that reads what is wanted of a view."""
    statement = sa.select(*(view.table.c[name] for name in columns_of(view, choice)))
    for name, value in choice.where:
        statement = statement.where(_matches(_column(view, name), value))
    if choice.locations:
        statement = statement.where(_column(view, "location").in_(choice.locations))
    statement = statement.order_by(*(_order(view, name) for name in choice.sort or view.order))
    return statement if choice.limit is None else statement.limit(choice.limit)


def _column(view: View, name: str) -> sa.ColumnClause[Any]:
    if name not in view.columns:
        raise UnknownColumn(f"('{name}'; {view.name} has {', '.join(view.columns)})")
    return view.table.c[name]


def _order(view: View, name: str) -> Any:
    column = _column(view, name.removeprefix("-"))
    ordered = column.desc() if name.startswith("-") else column.asc()
    return ordered if column.name in view.indexed else ordered.nulls_last()


def _matches(column: sa.ColumnClause[Any], value: str) -> Any:
    """Return the condition that a column has a value as a person writes it; an empty one is none."""
    if value == "":
        return column.is_(None)
    if isinstance(column.type, sa.Boolean):
        return column.is_(value.lower() in {"yes", "true", "1"})
    if isinstance(column.type, sa.Text):
        return (sa.func.lower(column) == value.lower()) | (column == value)
    if isinstance(column.type, sa.Integer | sa.Float):
        return column == float(value)
    return sa.cast(column, sa.Text) == value
