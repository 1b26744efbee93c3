"""Prepared statements: compiled once by SQLAlchemy, executed by the driver alone.

The statements of a page are executed hundreds of times a second. What SQLAlchemy does around an execution costs several
times what the driver does, so these go past it. Their readable form stays where they are used, and is what is compiled
here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

#: A row of a prepared statement: its values by their columns.
Row = dict[Any, Any]

#: Converts one value between Python and a driver.
_Convert = Callable[[Any], Any]


class Prepared:
    """A statement with named parameters and without lists, for the drivers of both databases."""

    def __init__(self, write: "Callable[[str], sa.Insert] | sa.Select[Any]") -> None:
        self._write = write
        self._compiled: dict[str, _Compiled] = {}

    def fetch(self, driver: Any, dialect: sa.Dialect, parameters: Mapping[str, Any]) -> list[Row]:
        """Execute on a connection of the driver and return the rows."""
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self.form(dialect.name), dialect)
        return compiled.fetch(driver, parameters)

    def form(self, dialect: str) -> "sa.Select[Any] | sa.Insert":
        """Return the statement in its readable form."""
        return self._write if isinstance(self._write, sa.Select) else self._write(dialect)


class _Compiled:
    """A statement as one driver takes it; rows and parameters are converted as SQLAlchemy would."""

    def __init__(self, statement: "sa.Select[Any] | sa.Insert", dialect: sa.Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._order: list[str] | None = compiled.positiontup
        #: The values that the statement has of its own.
        self._own: dict[str, Any] = {name: value for name, value in compiled.params.items() if value is not None}
        self._columns = tuple(statement.exported_columns)
        types = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
        self._binds = _those({name: kind.bind_processor(dialect) for name, kind in types.items()})
        kinds = ((column, column.type.dialect_impl(dialect)) for column in self._columns)
        self._results = _those({column: kind.result_processor(dialect, None) for column, kind in kinds})

    def fetch(self, driver: Any, parameters: Mapping[str, Any]) -> list[Row]:
        cursor = driver.execute(self._text, self._values(parameters))
        found = cursor.fetchall()
        cursor.close()
        return [self._row(values) for values in found]

    def _row(self, values: tuple[Any, ...]) -> Row:
        row: Row = dict(zip(self._columns, values, strict=True))
        for column, convert in self._results.items():
            row[column] = convert(row[column])
        return row

    def _values(self, parameters: Mapping[str, Any]) -> "dict[str, Any] | list[Any]":
        values = {**self._own, **parameters}
        for name, convert in self._binds.items():
            values[name] = convert(values[name])
        return values if self._order is None else [values[name] for name in self._order]


def _those(converters: Mapping[Any, _Convert | None]) -> dict[Any, _Convert]:
    return {key: convert for key, convert in converters.items() if convert is not None}
