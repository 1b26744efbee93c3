"""What a driver's error means: whether it passes by itself, needs a person, or is a bug of ours."""

import sqlite3

import psycopg
import pytest

from storage.drivers import meaning_of
from storage.errors import DatabaseAway, DatabaseFull, RefusedByDatabase, StorageError, WrongAddress, WrongDatabase


def from_server(sqlstate: str) -> psycopg.Error:
    """Return the error that psycopg raises for an answer of the server."""
    return psycopg.errors.lookup(sqlstate)("the server's words\nand more of them")


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [
        ("08006", DatabaseAway),
        ("40001", DatabaseAway),
        ("40P01", DatabaseAway),
        ("53300", DatabaseAway),
        ("55P03", DatabaseAway),
        ("57014", DatabaseAway),
        ("57P01", DatabaseAway),
        ("25P03", DatabaseAway),
        ("53100", DatabaseFull),
        ("25006", DatabaseFull),
        ("42501", WrongDatabase),
        ("22021", RefusedByDatabase),
        ("54000", RefusedByDatabase),
        ("42601", type(None)),
        ("23505", type(None)),
    ],
)
def test_what_a_server_says(sqlstate, kind):
    """What passes is away, a full disk or a standby stores nothing, a missing right needs a person, or it is a bug."""
    meaning = meaning_of(from_server(sqlstate))
    assert type(meaning) is kind
    if meaning is not None:
        assert "the server's words" in str(meaning)
        assert "and more" not in str(meaning)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("connection refused", DatabaseAway),
        ("", DatabaseAway),
        ('connection is bad: invalid sslmode value: "foo"', WrongAddress),
    ],
)
def test_what_nobody_says(words, kind):
    """Where no server answered it is away; an option that libpq refuses is a wrong address."""
    assert type(meaning_of(psycopg.OperationalError(words))) is kind


def test_a_lost_connection_is_away():
    """Whatever the error is called, a connection that was lost under it is a database that is away."""
    assert isinstance(meaning_of(psycopg.ProgrammingError("odd"), is_lost=True), DatabaseAway)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("database is locked", DatabaseAway),
        ("database table is locked", DatabaseAway),
        ("disk I/O error", DatabaseAway),
        ("database or disk is full", DatabaseFull),
        ("attempt to write a readonly database", DatabaseFull),
        ("unable to open database file", DatabaseFull),
        ("file is not a database", WrongDatabase),
        ("near SELEC: syntax error", type(None)),
    ],
)
def test_what_sqlite_says(words, kind):
    """SQLite has no codes for it: a lock passes, a full disk stores nothing, another file is none; else it is a bug."""
    assert type(meaning_of(sqlite3.OperationalError(words))) is kind


def test_no_error_is_no_meaning():
    """Without a driver's error there is nothing to say."""
    assert meaning_of(None) is None


def test_each_meaning_is_ours():
    """Whatever is returned is an error that commands know."""
    assert issubclass(WrongAddress, StorageError)
