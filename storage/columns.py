"""Column types that mean the same on PostgreSQL and SQLite."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
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

#: JSON that is only carried: kept as the text that it came as.
Carried = sa.Text()

#: A number that grows for ever; SQLite counts up by itself only under this name.
Identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: Text that identifies a row. Compared byte by byte: a language's order is slower, and no use to anybody here.
Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
