"""A shell completes commands, locations, lists and reports."""

import os
import subprocess

import pytest

from tests.support.processes import COMMAND


def completed(*words):
    """Return what bash is offered for the last of some words."""
    env = {**os.environ, "COMP_WORDS": " ".join(["pageturner", *words]), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        [COMMAND], env={**env, "_PAGETURNER_COMPLETE": "complete_bash"}, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("his",), ["history"]),
        (("sync", "h"), ["hq"]),
        (("status", "h"), ["hq"]),
        (("report", "run"), ["running_out"]),
        (("report", "licences", "--location", "h"), ["hq"]),
        (("export", "subscription-ad"), ["subscription-admins"]),
        (("locations", "rot"), ["rotate"]),
        (("locations", "rotate", "h"), ["hq"]),
        (("sync", "x"), []),
    ],
)
@pytest.mark.usefixtures("terminal")
def test_what_is_offered(words, offered):
    """A word that was begun is completed: a command, or the name of what it takes."""
    assert completed(*words) == offered


def test_no_home_is_made(terminal, tmp_path):
    """Completing makes no home, and says nothing where there is none, or where the database is away."""
    terminal.monkeypatch.setenv("PAGETURNER_HOME", str(tmp_path / "none"))
    assert completed("sync", "h") == []
    assert not (tmp_path / "none").exists()
    terminal.monkeypatch.setenv("PAGETURNER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert completed("sync", "h") == []


@pytest.mark.parametrize(("shell", "words"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete ")])
def test_a_script_for_each_shell(terminal, shell, words):
    """The script of each shell is printed."""
    ended = terminal.run("completion", shell)
    assert (ended.status, words in ended.out, "pageturner" in ended.out) == (0, True, True)
