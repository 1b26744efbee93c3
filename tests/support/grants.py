"""The database roles that `docs/operations.md` describes, made as it says."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg

_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def grants_of(role: str) -> list[str]:
    """Return the statements of the document that grant a role what it needs."""
    return re.findall(rf"^    (GRANT .* TO {role});$", _DOCUMENT.read_text(), re.MULTILINE)


@contextlib.contextmanager
def granted(database_url: str, role: str) -> Iterator[str]:
    """Make a role for the length of the block, and yield the URL with which it connects."""
    name = database_url.rsplit("/", 1)[1]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {role}")
        connection.execute(f"CREATE ROLE {role} LOGIN")
        for grant in grants_of(role):
            connection.execute(grant.replace("DATABASE pageturner", f'DATABASE "{name}"'))
    try:
        yield database_url.replace("postgres@", f"{role}@")
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")
