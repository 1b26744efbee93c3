"""Bearers: which secrets notices may bring, and for which location each speaks. Only digests of them are kept."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from .database import Database
from .schema import locations

#: As much as nobody guesses, and well below what Apple takes (maxNotificationLength).
_SECRET_BYTES = 32

#: A newer secret takes the place of one that is in use: for so long as Apple is being told, both are good.
_KEPT = 2


class Bearers:
    """The secrets of a database's locations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def digests(self) -> dict[str, list[str]]:
        """Give the digests that are good, by the uId for which they speak; of every watched location, if only none."""
        every = sa.select(locations.c.uid, locations.c.notice_digests).where(locations.c.is_watched)
        with self._database.once() as connection:
            return {row.uid: row.notice_digests or [] for row in connection.execute(every)}

    def propose(self, uid: str) -> str:
        """Make a secret that is good from now on, beside the one in use."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        self._change(uid, lambda digests: [digest_of(secret), *digests][:_KEPT])
        return secret

    def settle(self, uid: str, secret: str) -> None:
        """Have this secret be the only good one."""
        self._change(uid, lambda _: [digest_of(secret)])

    def withdraw(self, uid: str, secret: str) -> None:
        """Have this secret be good no more; the one before it stays."""
        self._change(uid, lambda digests: [one for one in digests if one != digest_of(secret)])

    def forget(self, uid: str) -> None:
        """Have no secret of a location be good."""
        self._change(uid, lambda _: [])

    def _change(self, uid: str, make: Callable[[list[str]], list[str]]) -> None:
        here = locations.c.uid == uid
        with self._database.write() as connection:
            digests = connection.scalar(sa.select(locations.c.notice_digests).where(here).with_for_update()) or []
            values: dict[str, Any] = {"notice_digests": make(digests) or None}
            connection.execute(sa.update(locations).where(here).values(values))


def digest_of(secret: str) -> str:
    """Name a secret without telling it."""
    return hashlib.sha256(secret.encode()).hexdigest()
