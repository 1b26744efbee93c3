"""Accounts, tokens and the support bundle, typed as commands."""

import io
import json
import zipfile

import pytest

from storage.states import Access

PASSWORD = "correct horse battery"


@pytest.fixture
def type_in(monkeypatch):
    """Have something come in by standard input."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_an_account(terminal, type_in):
    """Its password comes in by standard input; it is listed without it, changed, and removed."""
    type_in(PASSWORD + "\n")
    assert terminal.run("accounts", "add", "anna", "--scope", "act").status == 0
    assert terminal.store.accounts.check("anna", PASSWORD).access is Access.ACT
    [listed] = json.loads(terminal.run("accounts", "list", "--json").out)
    assert (listed["name"], listed["access"], listed["has_password"]) == ("anna", "act", True)
    assert "digest" not in listed
    assert "anna  act" in terminal.run("accounts", "list").out
    assert terminal.run("accounts", "change", "anna", "--scope", "read").status == 0
    type_in("another long password\n")
    assert terminal.run("accounts", "change", "anna", "--password").status == 0
    assert terminal.store.accounts.check("anna", "another long password").access is Access.READ
    assert terminal.run("accounts", "remove", "anna").status == 0
    assert "No accounts" in terminal.run("accounts", "list").err


def test_an_account_of_a_proxy(terminal):
    """It has no password, and is not asked for one."""
    assert terminal.run("accounts", "add", "bob", "--by-proxy").status == 0
    assert "by proxy" in terminal.run("accounts", "list").out


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        (("add", "anna"), "short\n", "at least 12 signs"),
        (("add", "anna"), "", "at least 12 signs"),
        (("add", " anna"), PASSWORD, "without spaces at its ends"),
        (("add", "an\nna"), PASSWORD, "The name of an account"),
        (("change", "anna"), "", "What is to change?"),
        (("change", "nobody", "--scope", "read"), "", "There is no such account. ('nobody')"),
        (("remove", "nobody"), "", "`pageturner accounts list`"),
    ],
)
def test_what_no_account_can_be(terminal, type_in, arguments, given, words):
    """Each with a sentence, and the status of a wrong usage."""
    type_in(given)
    ended = terminal.run("accounts", *arguments)
    assert ended.status == 2
    assert words in ended.err


def test_an_account_that_exists(terminal):
    """A second one of its name is refused."""
    terminal.run("accounts", "add", "bob", "--by-proxy")
    ended = terminal.run("accounts", "add", "bob", "--by-proxy")
    assert ended.status == 2
    assert "`pageturner accounts change`" in ended.err


def test_a_token(terminal):
    """It is shown once, on standard output alone; the list has what it may, and it can be withdrawn."""
    made = terminal.run("tokens", "make", "inventory", "--location", "hq", "--expires", "90d", "--scope", "act")
    token = made.out.strip()
    assert token.startswith("pageturner_")
    assert token not in made.err
    found = terminal.store.api_tokens.find(token)
    assert (found.access, found.uids) == (Access.ACT, ["1"])
    listed = terminal.run("tokens", "list")
    assert "inventory  act    hq" in listed.out
    assert token not in terminal.run("tokens", "list", "--json").out
    assert terminal.run("tokens", "withdraw", "inventory").status == 0
    assert terminal.store.api_tokens.find(token) is None
    assert "No tokens" in terminal.run("tokens", "list").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("make", ""), "up to 200 signs"),
        (("make", "a", "--expires", "soon"), "--expires: 'soon' is not a valid interval"),
        (("make", "a", "--location", "nowhere"), "There is no such location"),
        (("withdraw", "nothing"), "`pageturner tokens list`"),
    ],
)
def test_what_no_token_can_be(terminal, arguments, words):
    """Each with a sentence, and the status of a wrong usage."""
    ended = terminal.run("tokens", *arguments)
    assert ended.status == 2
    assert words in ended.err


def test_a_bundle(terminal):
    """One file, for its owner alone; of a crawl that does not exist there is none."""
    path = terminal.home / "bundle.zip"
    assert terminal.run("bundle", "--output", str(path)).status == 0
    assert path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as bundle:
        assert "doctor.txt" in bundle.namelist()
    ended = terminal.run("bundle", "--crawl", "7", "--output", str(path))
    assert ended.status == 2
    assert "There is no crawl 7" in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("console", "--trust", "*"), "--trust: '*' is neither an address nor a network"),
        (("console", "--host", "nowhere.invalid"), "Cannot listen at nowhere.invalid:8100"),
        (("serve", "--port", "0"), "--port: a number"),
        (("serve", "--trust", "x"), "--trust: 'x'"),
    ],
)
def test_what_cannot_be_served(terminal, arguments, words):
    """Nothing is started where an option cannot be used."""
    ended = terminal.run(*arguments)
    assert ended.status == 2
    assert words in ended.err
