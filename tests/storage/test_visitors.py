"""Accounts and sessions of the console, and tokens of the API."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.clock import VirtualClock
from storage.database import open_database
from storage.errors import AccountExists, TokenNameTaken, UnknownAccount, UnknownToken
from storage.sessions import IDLE, LONGEST
from storage.states import Access
from tests.support.filled_store import make_store

PASSWORD = "correct horse battery"


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock(datetime(2026, 11, 27, tzinfo=UTC))


@pytest.fixture
def store(tmp_path, clock):
    """A store by that clock."""
    database = open_database(f"sqlite:///{tmp_path / 'test.db'}", clock)
    yield make_store(database)
    database.close()


@pytest.fixture
def anna(store):
    """An account with a password."""
    store.accounts.add("anna", Access.ACT, PASSWORD)
    return store.accounts.find("anna")


def test_a_password_is_checked(store, anna):
    """The right one of the right account alone; an account without one has none that is right."""
    assert store.accounts.check("anna", PASSWORD) == anna
    store.accounts.add("bob", Access.READ, None)
    for name, password in (("anna", PASSWORD + " "), ("bob", ""), ("bob", PASSWORD), ("nobody", PASSWORD)):
        assert store.accounts.check(name, password) is None, name


def test_a_password_is_not_kept(anna):
    """What is kept of it is a digest that takes long to make; nothing shows it."""
    assert anna.digest.startswith("$argon2id$")
    assert PASSWORD not in anna.digest
    assert "argon2" not in repr(anna)


def test_accounts_have_names_of_their_own(store, anna):
    """A second account of a name is refused, and so is a change of one that does not exist."""
    with pytest.raises(AccountExists):
        store.accounts.add(anna.name, Access.READ, None)
    for change in (store.accounts.remove, lambda name: store.accounts.change(name, access=Access.READ)):
        with pytest.raises(UnknownAccount):
            change("nobody")
    assert [one.name for one in store.accounts.all()] == ["anna"]


def test_a_session(store, anna, clock):
    """It ends after half a day without a visit, and after a week in any case."""
    secret = store.sessions.begin(anna)
    assert store.sessions.find(secret).name == "anna"
    for _ in range(LONGEST // IDLE):
        clock.sleep((IDLE - timedelta(minutes=1)).total_seconds())
        assert store.sessions.find(secret) is not None
        store.sessions.note_visit(secret)
    clock.sleep(IDLE.total_seconds())
    assert store.sessions.find(secret) is None
    idle = store.sessions.begin(anna)
    clock.sleep(IDLE.total_seconds() + 1)
    assert store.sessions.find(idle) is None


def test_sessions_end_with_what_they_are_for(store, anna):
    """With the account, a new password, another right, or signing out; others go on."""
    store.accounts.add("bob", Access.READ, PASSWORD)
    other = store.sessions.begin(store.accounts.find("bob"))
    for end in (
        store.sessions.end,
        lambda _: store.accounts.change("anna", password=PASSWORD + "!"),
        lambda _: store.accounts.change("anna", access=Access.READ),
        lambda _: store.accounts.remove("anna"),
    ):
        secret = store.sessions.begin(anna)
        end(secret)
        assert store.sessions.find(secret) is None
    assert store.sessions.find(other).name == "bob"


def test_visits_are_noted(store, anna, clock):
    """When an account was last seen is known, by its session or by a proxy."""
    secret = store.sessions.begin(anna)
    clock.sleep(30)
    store.sessions.note_visit(secret)
    first = store.accounts.find("anna").seen_at
    assert first == store.now()
    clock.sleep(30)
    store.accounts.note_seen("anna")
    assert store.accounts.find("anna").seen_at > first


def test_a_token(store, clock):
    """It is found by its secret until it ends or is withdrawn; when it was last used is known."""
    ends = store.now() + timedelta(days=1)
    secret = store.api_tokens.make("inventory", Access.READ, ["1"], ends)
    found = store.api_tokens.find(secret)
    assert (found.name, found.access, found.uids) == ("inventory", Access.READ, ["1"])
    store.api_tokens.note_use("inventory")
    assert store.api_tokens.all()[0].used_at == store.now()
    assert store.api_tokens.find(secret + "x") is None
    with pytest.raises(TokenNameTaken):
        store.api_tokens.make("inventory", Access.READ, None, None)
    clock.sleep(86_400)
    assert store.api_tokens.find(secret) is None
    store.api_tokens.withdraw("inventory")
    with pytest.raises(UnknownToken):
        store.api_tokens.withdraw("inventory")
