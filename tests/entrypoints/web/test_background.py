"""What a server needs is built in the background, until it is there."""

import threading

import pytest

from entrypoints.web import background as module
from entrypoints.web.background import BackgroundBuild
from storage.errors import DatabaseAway, WrongDatabase


def test_what_is_there_is_there_at_once():
    """If the first build succeeds, its result is there when the start returns, and no thread runs."""
    build = BackgroundBuild(lambda: "built")
    build.start()
    assert build.built == "built"
    assert not build._thread.is_alive()


def test_it_is_tried_again(monkeypatch, caplog):
    """While the database is away nothing is built; the return of the database is noticed, and both are logged once."""
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.001)
    is_there, tries, built = threading.Event(), [], threading.Event()

    def once() -> str:
        tries.append(1)
        if len(tries) == 5:
            is_there.set()
        if not is_there.is_set():
            raise DatabaseAway("(refused)")
        built.set()
        return "built"

    build = BackgroundBuild(once)
    build.start()
    assert built.wait(10)
    build._thread.join(10)
    assert build.built == "built"
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "The database does not answer. (refused) Waiting for it.",
        "The database answers: serving from now on.",
    ]


def test_it_stops(monkeypatch):
    """A server that is stopped before its database is there leaves no thread behind."""
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.001)

    def fail() -> str:
        raise DatabaseAway

    build = BackgroundBuild(fail)
    build.start()
    build.stop()
    build._thread.join(10)
    assert (build.built, build._thread.is_alive()) == (None, False)


def test_what_a_person_mends_meanwhile(monkeypatch, caplog):
    """What is wrong once the database answers is logged once, and tried again until somebody has mended it."""
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.001)
    answers = iter([DatabaseAway("(refused)"), *[WrongDatabase("Its encoding is LATIN1.")] * 3])

    def once() -> str:
        error = next(answers, None)
        if error is not None:
            raise error
        return "built"

    build = BackgroundBuild(once)
    build.start()
    build._thread.join(10)
    assert build.built == "built"
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "WARNING"]


def test_a_bug_is_no_wait():
    """An error that does not pass by itself ends the start: nobody waits for a mistake."""

    def fail() -> str:
        raise KeyError

    with pytest.raises(KeyError):
        BackgroundBuild(fail).start()
