"""INSERT … ON CONFLICT, which SQLAlchemy spells once a dialect though both databases mean the same by it."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert_or(connection: sa.Connection, table: sa.Table) -> postgresql.Insert:
    """Begin an INSERT that can say what to do on a conflict."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    # The two classes share no ancestor that has on_conflict_…, yet the methods are the same.
    return sqlite.insert(table)  # type: ignore[return-value]
