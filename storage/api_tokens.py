"""Tokens of the API: which programs may read from it, and what of it. Not to be confused with content tokens."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from .database import Database
from .errors import TokenNameTaken, UnknownToken
from .sql import insert_or, own_columns, pick
from .states import Access
from .visitors import api_tokens

#: How a token begins, so that whoever finds one knows what it is.
PREFIX = "pageturner_"


@dataclass(frozen=True, kw_only=True)
class ApiToken:
    """A token, without its secret: that is not kept."""

    name: str
    access: Access
    #: The uIds of the locations that it is for; None for all.
    uids: list[str] | None
    made_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class ApiTokens:
    """The tokens of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, name: str, access: Access, uids: Collection[str] | None, expires_at: datetime | None) -> str:
        """Make a token, and return its secret, which is not kept."""
        secret = PREFIX + secrets.token_urlsafe(32)
        values: dict[str, Any] = {"name": name, "digest": _digest(secret), "access": access}
        values |= {"uids": None if uids is None else list(uids), "made_at": self._database.now()}
        values |= {"expires_at": expires_at}
        with self._database.write() as connection:
            statement = insert_or(connection.dialect.name, api_tokens).values(values).on_conflict_do_nothing()
            if not connection.execute(statement).rowcount:
                raise TokenNameTaken(f"('{name}')")
        return secret

    def all(self) -> Sequence[ApiToken]:
        """Return every token, by its name."""
        with self._database.once() as connection:
            return [_token(row) for row in connection.execute(sa.select(api_tokens).order_by(api_tokens.c.name))]

    def withdraw(self, name: str) -> None:
        """Forget a token: what comes with it is refused from now on."""
        with self._database.write() as connection:
            if not connection.execute(sa.delete(api_tokens).where(api_tokens.c.name == name)).rowcount:
                raise UnknownToken(f"('{name}')")

    def find(self, secret: str) -> ApiToken | None:
        """Return the token of a secret; None if there is none, or if it has expired."""
        now = self._database.now()
        here = api_tokens.c.digest == _digest(secret)
        lives = here & (api_tokens.c.expires_at.is_(None) | (api_tokens.c.expires_at > now))
        with self._database.once() as connection:
            row = connection.execute(sa.select(api_tokens).where(lives)).one_or_none()
        return None if row is None else _token(row)

    def note_use(self, name: str) -> None:
        """Note that a token was used."""
        with self._database.write() as connection:
            here = sa.update(api_tokens).where(api_tokens.c.name == name)
            connection.execute(here.values(used_at=self._database.now()))


_TOKEN = own_columns(ApiToken, api_tokens)


def _token(row: Any) -> ApiToken:
    values = pick(row, _TOKEN)
    return ApiToken(**values | {"access": Access(values["access"])})


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
