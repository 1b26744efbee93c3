"""Accounts: the people who may open the console."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from .database import Database
from .errors import AccountExists, UnknownAccount
from .sql import insert_or, own_columns, pick
from .states import Access
from .visitors import accounts, sessions


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account."""

    name: str
    access: Access
    #: What its password is checked against; None if only a proxy may name it.
    digest: str | None = field(repr=False)
    added_at: datetime
    seen_at: datetime | None


class Accounts:
    """The accounts of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, access: Access, password: str | None) -> None:
        """Add an account; without a password only a proxy may name it."""
        digest = None if password is None else _digest_of(password)
        values = {"name": name, "access": access, "digest": digest, "added_at": self._database.now()}
        with self._database.write() as connection:
            statement = insert_or(connection.dialect.name, accounts).values(values).on_conflict_do_nothing()
            if not connection.execute(statement).rowcount:
                raise AccountExists(f"('{name}')")

    def change(self, name: str, *, access: Access | None = None, password: str | None = None) -> None:
        """Give an account another right or password; whoever is signed in by it has to sign in again."""
        values = {} if access is None else {"access": str(access)}
        values |= {} if password is None else {"digest": _digest_of(password)}
        with self._database.write() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.account == name))
            if not connection.execute(sa.update(accounts).where(accounts.c.name == name).values(values)).rowcount:
                raise UnknownAccount(f"('{name}')")

    def remove(self, name: str) -> None:
        """Remove an account, and end its sessions."""
        with self._database.write() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.account == name))
            if not connection.execute(sa.delete(accounts).where(accounts.c.name == name)).rowcount:
                raise UnknownAccount(f"('{name}')")

    def all(self) -> Sequence[Account]:
        """Return every account, by its name."""
        with self._database.once() as connection:
            return [account_of(row) for row in connection.execute(sa.select(accounts).order_by(accounts.c.name))]

    def find(self, name: str) -> Account | None:
        """Return the account of a name."""
        with self._database.once() as connection:
            row = connection.execute(sa.select(accounts).where(accounts.c.name == name)).one_or_none()
        return None if row is None else account_of(row)

    def has_any_password(self) -> bool:
        """Return whether anybody can sign in."""
        with self._database.once() as connection:
            return bool(connection.scalar(sa.select(sa.exists().where(accounts.c.digest.is_not(None)))))

    def check(self, name: str, password: str) -> Account | None:
        """Return the account of a name if this is its password. That takes some memory, and a part of a second."""
        account = self.find(name)
        digest = None if account is None else account.digest
        is_right = _is_right(digest or _nobody(), password)
        return account if digest and is_right else None

    def note_seen(self, name: str) -> None:
        """Note that somebody came by an account."""
        with self._database.write() as connection:
            here = sa.update(accounts).where(accounts.c.name == name)
            connection.execute(here.values(seen_at=self._database.now()))


_ACCOUNT = own_columns(Account, accounts)


def account_of(row: Any) -> Account:
    """Return the account of a row."""
    values = pick(row, _ACCOUNT)
    return Account(**values | {"access": Access(values["access"])})


def _digest_of(password: str) -> str:
    from argon2 import PasswordHasher  # takes its time to load, and few processes check passwords

    return PasswordHasher().hash(password)


def _is_right(digest: str, password: str) -> bool:
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return PasswordHasher().verify(digest, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    """Return what the password of nobody is checked against: a wrong name takes as long as a wrong password."""
    return _digest_of("nobody has this password")
