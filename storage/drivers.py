"""The drivers' errors: which pass by themselves, which need a person, and which are bugs of ours."""

import re
import sqlite3

import psycopg

from .errors import DatabaseAway, DatabaseFull, RefusedByDatabase, StorageError, WrongAddress, WrongDatabase

#: The classes of SQLSTATE that pass by themselves: no connection, a transaction that another made impossible, a lock
#: that does not come free, no resources, an operator at work, a system that fails.
_PASSES = ("08", "40", "55", "53", "57", "58")

#: The disk is full, or the server is read-only: it answers, and stores nothing.
_CANNOT_STORE = ("53100", "25006")

#: The classes of SQLSTATE about the data: a value out of range, a row that is too large.
_REFUSES = ("22", "54")

_NO_RIGHT = "42501"

#: The server ended a transaction in which nothing was said for too long: this process was stopped meanwhile.
_TOO_IDLE = "25P03"

#: How libpq refuses the value of an option, before it connects.
_WRONG_OPTION = re.compile(r'invalid \w+ value: "')

#: A driver's errors if no server answered.
_UNANSWERED = (psycopg.OperationalError, psycopg.InterfaceError)


def meaning_of(error: BaseException | None, *, is_lost: bool = False) -> StorageError | None:
    """Return the error of ours for a driver's: one that passes, or one that needs a person; None for a bug."""
    state = getattr(error, "sqlstate", None) or ""
    words = f"({_short(error)})"
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error, words)
    if not state and _WRONG_OPTION.search(str(error)):
        return WrongAddress(words)
    if state in _CANNOT_STORE:
        return DatabaseFull(words)
    if state[:2] in _PASSES or state == _TOO_IDLE or is_lost or (not state and isinstance(error, _UNANSWERED)):
        return DatabaseAway(words)
    if state == _NO_RIGHT:
        return WrongDatabase(f"Its role may not do what is needed: docs/operations.md names the grants. {words}")
    return RefusedByDatabase(words) if state[:2] in _REFUSES else None


def _of_sqlite(error: sqlite3.Error, words: str) -> StorageError | None:
    if any(part in str(error) for part in ("is full", "readonly", "unable to open")):
        return DatabaseFull(words)
    if "not a database" in str(error):
        return WrongDatabase("The file is not an SQLite database.")
    return DatabaseAway(words) if any(part in str(error) for part in ("locked", "busy", "disk I/O")) else None


def _short(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
