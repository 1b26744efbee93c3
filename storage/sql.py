"""SQL on both databases: column types, rows as dataclasses, and INSERT … ON CONFLICT."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, on SQLite too, which has no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Store in UTC."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Read as UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


#: JSON that is compared in SQL: PostgreSQL's plain `json` has no equality.
Document = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

#: JSON that is only carried: stored as the text that was received.
Carried = sa.Text()

#: A number that grows for ever; SQLite counts up by itself only under this name.
Identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: Text that identifies a row. It is compared byte by byte: the order of a language is slower, and not needed.
Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


class _BigIntegers(sa.types.UserDefinedType[Sequence[int]]):
    """An array of PostgreSQL, written as text: the driver takes eight times as long for a list."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Name the type."""
        return "BIGINT[]"

    def bind_processor(self, _: Any) -> Callable[[Sequence[int] | None], str | None]:
        """Write the array as PostgreSQL does."""
        return lambda numbers: None if numbers is None else f"{{{','.join(map(str, numbers))}}}"


#: Numbers in a row, which SQL can take apart again.
Numbers = sa.JSON(none_as_null=True).with_variant(_BigIntegers(), "postgresql")


#: The fields of a dataclass, each with the column that it comes from.
Columns = Mapping[str, "sa.Column[Any]"]


def own_columns(kind: type[Any], table: sa.Table) -> Columns:
    """Map the fields of a dataclass to the columns of the same names."""
    return {name: table.c[name] for name in kind.__dataclass_fields__ if name in table.c}


def pick(row: Any, columns: Columns) -> dict[str, Any]:
    """Return the values of a dataclass's fields from a row of SQLAlchemy, or of a prepared statement."""
    mapping = row if isinstance(row, dict) else row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    return {name: mapping[column] for name, column in columns.items()}


def insert_or(dialect: str, table: sa.Table) -> postgresql.Insert:
    """Return an INSERT that can have ON CONFLICT."""
    if dialect == "postgresql":
        return postgresql.insert(table)
    # The two classes share no ancestor that has on_conflict_…, yet the methods are the same.
    return sqlite.insert(table)  # type: ignore[return-value]
