"""Notice secrets: which secret is valid for the notices of which location. Only digests are stored."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .database import Database
from .schema import locations

#: Long enough not to be guessed, and well below Apple's limit (maxNotificationLength).
_SECRET_BYTES = 32

#: Maximum number of secrets that were proposed but never confirmed by Apple.
_PROPOSED = 3


@dataclass(kw_only=True)
class _Secrets:
    """The digests of a location's secrets."""

    settled: str | None
    proposed: list[str]
    url: str | None = None

    def __iter__(self) -> Iterator[str]:
        """Return all valid secrets."""
        yield from self.proposed
        if self.settled is not None:
            yield self.settled


class NoticeSecrets:
    """The secrets of a database's locations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def digests(self) -> dict[str, list[str]]:
        """Return the valid digests by uId; a watched location without any maps to an empty list."""
        every = sa.select(locations.c.uid, locations.c.notice_digests).where(locations.c.is_watched)
        with self._database.once() as connection:
            return {row.uid: [*_read(row.notice_digests)] for row in connection.execute(every)}

    def propose(self, uid: str) -> str:
        """Make a secret that is valid from now on, beside the one that Apple has confirmed."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        with self._changing(uid) as kept:
            kept.proposed = [digest_of_secret(secret), *kept.proposed][:_PROPOSED]
        return secret

    def settle(self, uid: str, secret: str, url: str) -> None:
        """Make this secret the only valid one: Apple has confirmed it, with this address."""
        with self._changing(uid) as kept:
            kept.settled, kept.proposed, kept.url = digest_of_secret(secret), [], url

    def withdraw(self, uid: str, secret: str) -> None:
        """Revoke a secret that was proposed."""
        with self._changing(uid) as kept:
            kept.proposed = [one for one in kept.proposed if one != digest_of_secret(secret)]

    def forget(self, uid: str) -> None:
        """Revoke all secrets of a location."""
        with self._changing(uid) as kept:
            kept.settled, kept.proposed, kept.url = None, [], None

    def url(self, uid: str) -> str | None:
        """Return the address that Apple has confirmed."""
        with self._database.once() as connection:
            url: str | None = connection.scalar(sa.select(locations.c.subscribed_url).where(locations.c.uid == uid))
            return url

    @contextmanager
    def _changing(self, uid: str) -> Iterator[_Secrets]:
        here = locations.c.uid == uid
        columns = sa.select(locations.c.notice_digests, locations.c.subscribed_url)
        with self._database.write() as connection:
            row = connection.execute(columns.where(here).with_for_update()).one()
            kept = _read(row.notice_digests)
            kept.url = row.subscribed_url
            yield kept
            digests = {"settled": kept.settled, "proposed": kept.proposed}
            values = {"notice_digests": digests, "subscribed_url": kept.url}
            connection.execute(sa.update(locations).where(here).values(values))


def _read(raw: dict[str, Any] | None) -> _Secrets:
    raw = raw or {}
    return _Secrets(settled=raw.get("settled"), proposed=list(raw.get("proposed", [])))


def digest_of_secret(secret: str) -> str:
    """Return the digest of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
