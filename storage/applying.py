"""Apply a difference to the mirror: three statements, each over all rows at once."""

import sqlalchemy as sa

from .mirrors import Mirror


def apply_difference(connection: sa.Connection, mirror: Mirror, location_id: int, difference: sa.Table) -> None:
    """Delete, update and insert what the difference says. Rows that do not differ are not written."""
    table = mirror.table
    here = table.c.location_id == location_id
    gone = sa.select(*(difference.c[name] for name in mirror.key)).where(difference.c.op == "delete")
    connection.execute(sa.delete(table).where(here, sa.tuple_(*(table.c[name] for name in mirror.key)).in_(gone)))
    same = sa.and_(here, *(table.c[name] == difference.c[name] for name in mirror.key))
    values = {name: difference.c[name] for name in mirror.columns if name not in mirror.key}
    connection.execute(sa.update(table).where(same, difference.c.op == "update").values(values))
    insert_new(connection, mirror, location_id, difference)


def insert_new(connection: sa.Connection, mirror: Mirror, location_id: int, difference: sa.FromClause) -> None:
    """Insert what is new, in the order of the key: the index then grows from one end to the other."""
    key = [difference.c[name] for name in mirror.key]
    new = sa.select(sa.literal(location_id), *(difference.c[name] for name in mirror.columns))
    new = new.where(difference.c.op == "insert").order_by(*key)
    connection.execute(sa.insert(mirror.table).from_select(["location_id", *mirror.columns], new))
