"""ConsoleSessions: who is signed in to the console, and for how long."""

import hashlib
import secrets
from datetime import timedelta

import sqlalchemy as sa

from .accounts import Account, account_of
from .database import Database
from .visitors import accounts, sessions

#: A session ends after so long without a visit, and after so long in any case.
IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)


class ConsoleSessions:
    """The sessions of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, account: Account) -> str:
        """Begin a session, and return the secret that its browser keeps. ConsoleSessions that are over are deleted."""
        secret, now = secrets.token_urlsafe(32), self._database.now()
        over = (sessions.c.seen_at < now - IDLE) | (sessions.c.begun_at < now - LONGEST)
        values = {"digest": _digest(secret), "account": account.name, "begun_at": now, "seen_at": now}
        with self._database.write() as connection:
            connection.execute(sa.delete(sessions).where(over))
            connection.execute(sa.insert(sessions).values(values))
        return secret

    def find(self, secret: str) -> Account | None:
        """Return the account that a session belongs to; None if there is none, or if it is over."""
        now = self._database.now()
        here = sessions.c.digest == _digest(secret)
        lives = here & (sessions.c.seen_at >= now - IDLE) & (sessions.c.begun_at >= now - LONGEST)
        rows = sa.select(accounts).join(sessions, sessions.c.account == accounts.c.name).where(lives)
        with self._database.once() as connection:
            row = connection.execute(rows).one_or_none()
        if row is None:
            return None
        return account_of(row)

    def note_visit(self, secret: str) -> None:
        """Note that somebody came by a session, and by its account."""
        now, here = self._database.now(), sessions.c.digest == _digest(secret)
        mine = sa.select(sessions.c.account).where(here).scalar_subquery()
        with self._database.write() as connection:
            connection.execute(sa.update(sessions).where(here).values(seen_at=now))
            connection.execute(sa.update(accounts).where(accounts.c.name == mine).values(seen_at=now))

    def end(self, secret: str) -> None:
        """End a session."""
        with self._database.write() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.digest == _digest(secret)))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
