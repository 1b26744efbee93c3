"""The installation of views: they are dropped before a migration, and made after it, with who may read them."""

from collections.abc import Mapping

import psycopg
import sqlalchemy as sa

from ..errors import ViewsInUse
from . import VIEWS


def drop_views(connection: sa.Connection) -> dict[str, list[str]]:
    """Drop the views, which stand in the way of changes to their tables; return who may read each."""
    readers = _readers(connection) if connection.dialect.name == "postgresql" else {}
    try:
        for name in VIEWS:
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.DependentObjectsStillExist):
            raise ViewsInUse(f"({(error.orig.diag.message_detail or '').replace(chr(10), '; ')})") from None
        raise
    return readers


def create_views(connection: sa.Connection, readers: Mapping[str, list[str]]) -> None:
    """Make the views, and let those read them who could before."""
    for view in VIEWS.values():
        connection.exec_driver_sql(f"CREATE VIEW {view.name} AS {view.text(connection.dialect.name)}")
    for name, roles in readers.items():
        for role in roles:
            connection.exec_driver_sql(f"GRANT SELECT ON {name} TO {role}")


def _readers(connection: sa.Connection) -> dict[str, list[str]]:
    granted = sa.text(
        "SELECT table_name, CASE grantee WHEN 'PUBLIC' THEN 'PUBLIC' ELSE quote_ident(grantee) END AS role "
        "FROM information_schema.role_table_grants "
        "WHERE table_schema = current_schema() AND privilege_type = 'SELECT' AND grantee <> grantor"
    )
    found: dict[str, list[str]] = {}
    for name, role in connection.execute(granted):
        if name in VIEWS:
            found.setdefault(name, []).append(role)
    return found
