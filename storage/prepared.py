"""Prepared statements: compiled once by SQLAlchemy, executed by the driver alone.

The statements of a page are executed hundreds of times a second, and those of a sync for each of thousands of
locations. What SQLAlchemy does around an execution costs several times what the driver does, so these go past it. Their
readable form stays where they are used, and is what is compiled here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

#: Where a connection keeps its cursor, and up to how many rows: a cursor keeps those of its last statement.
_CURSOR = "cursor"
_FEW = 100

#: A row of a prepared statement: its values by their columns.
Row = dict[Any, Any]

#: A statement in its readable form.
Form = sa.Select[Any] | sa.Insert | sa.Update | sa.Delete

#: Converts one value between Python and a driver.
_Convert = Callable[[Any], Any]


class Prepared:
    """A statement with named parameters, for the drivers of both databases.

    As with SQLAlchemy, parameters of an INSERT or UPDATE that are named like columns are their new values. Those that
    are lists (`column IN …`) have to be named.
    """

    def __init__(self, write: Callable[[str], Form] | Form, *, lists: tuple[str, ...] = ()) -> None:
        self._write = write
        self._lists = lists
        #: By what decides the text: the dialect, which parameters there are, and how long their lists are.
        self._compiled: dict[tuple[Any, ...], _Compiled] = {}

    def run(self, connection: sa.Connection, parameters: Mapping[str, Any]) -> list[Row]:
        """Execute within a transaction of `Database.read` or `write`, and return the rows."""
        return self.fetch(connection.connection, connection.dialect, parameters)

    def fetch(self, pooled: sa.PoolProxiedConnection, dialect: sa.Dialect, parameters: Mapping[str, Any]) -> list[Row]:
        """Execute on a connection of the pool and return the rows."""
        key = (dialect.name, *parameters, *(len(parameters[name]) for name in self._lists))
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = _Compiled(self.form(dialect.name), dialect, parameters, self._lists)
        if dialect.name != "postgresql":
            return compiled.fetch(pooled.cursor(), parameters)
        rows = compiled.fetch(_cursor(pooled), parameters)
        if len(rows) > _FEW:
            del pooled.info[_CURSOR]
        return rows

    def form(self, dialect: str) -> Form:
        """Return the statement in its readable form."""
        return self._write if isinstance(self._write, sa.ClauseElement) else self._write(dialect)


class _Compiled:
    """A statement as one driver takes it; rows and parameters are converted as SQLAlchemy would."""

    def __init__(
        self, statement: Form, dialect: sa.Dialect, parameters: Mapping[str, Any], lists: tuple[str, ...]
    ) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(parameters))
        expanded = compiled.construct_expanded_state(parameters)
        if unknown := parameters.keys() - expanded.parameters.keys() - set(lists):
            raise TypeError(f"no parameters of the statement, or lists that are not named: {sorted(unknown)}")
        self._text: str = expanded.statement
        self._order: list[str] | None = expanded.positiontup
        #: The places of each list's values.
        self._places: dict[str, list[str]] = {name: expanded.parameter_expansion[name] for name in lists}
        sources = {name: name for name in compiled.binds} | {
            place: name for name, places in expanded.parameter_expansion.items() for place in places
        }
        kinds = {name: compiled.binds[sources[name]].type.dialect_impl(dialect) for name in expanded.parameters}
        binds = _those({name: kind.bind_processor(dialect) for name, kind in kinds.items()})
        given = {*parameters, *(place for places in self._places.values() for place in places)}
        #: The values that the statement has of its own, as the driver takes them.
        self._own: dict[str, Any] = {
            name: binds[name](value) if name in binds else value
            for name, value in expanded.parameters.items()
            if name not in given
        }
        self._binds = {name: convert for name, convert in binds.items() if name in given}
        self._columns = tuple(statement.exported_columns)
        types = ((column, column.type.dialect_impl(dialect)) for column in self._columns)
        self._results = _those({column: kind.result_processor(dialect, None) for column, kind in types})

    def fetch(self, cursor: Any, parameters: Mapping[str, Any]) -> list[Row]:
        cursor.execute(self._text, self._values(parameters))
        return [self._row(values) for values in cursor.fetchall()] if self._columns else []

    def _row(self, values: tuple[Any, ...]) -> Row:
        row: Row = dict(zip(self._columns, values, strict=True))
        for column, convert in self._results.items():
            row[column] = convert(row[column])
        return row

    def _values(self, parameters: Mapping[str, Any]) -> dict[str, Any] | list[Any]:
        values = {**self._own, **parameters}
        for name, places in self._places.items():
            values.update(zip(places, values.pop(name), strict=True))
        for name, convert in self._binds.items():
            values[name] = convert(values[name])
        return values if self._order is None else [values[name] for name in self._order]


def _cursor(pooled: sa.PoolProxiedConnection) -> Any:
    """Return the cursor of a connection: to make one takes the driver half as long as to execute a statement."""
    cursor = pooled.info.get(_CURSOR)
    if cursor is None:
        cursor = pooled.info[_CURSOR] = pooled.cursor()
    return cursor


def _those(converters: Mapping[Any, _Convert | None]) -> dict[Any, _Convert]:
    return {key: convert for key, convert in converters.items() if convert is not None}
