"""What a command that waits shows of its crawls."""

import pytest
from rich.console import Console

from entrypoints.cli import progress
from entrypoints.cli.progress import causes, describe, draw, showing
from storage.states import CrawlKind, CrawlState, Trouble
from tests.support.examples import make_report

OPEN, SETTLED, PUBLISHED, FAILED = CrawlState.OPEN, CrawlState.SETTLED, CrawlState.PUBLISHED, CrawlState.FAILED

#: A crawl as a table shows it.
COUNTS = {"name": "hq", "kind": CrawlKind.FULL, "pages": 3, "total": 1200, "records": 1647, "drift": 0}


def drawn(*reports):
    """Draw reports with two requests in flight, and return the lines of the table."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(draw(list(reports), lambda _: 2))
    return [line.split() for line in capture.get().splitlines()]


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (make_report(OPEN), "reading"),
        (make_report(SETTLED), "publishing"),
        (make_report(PUBLISHED, is_consistent=True), "published"),
        (make_report(PUBLISHED, is_consistent=False), "published, torn"),
        (make_report(PUBLISHED, is_consistent=True, held_deletes=7), "published, 7 deletes held"),
        (make_report(CrawlState.UNCHANGED), "unchanged"),
        (make_report(FAILED), "failed"),
    ],
)
def test_a_state_is_a_word_or_two(report, words):
    """Each state of a crawl, and what a publish could not do, is said in a word or two."""
    assert describe(report) == words


def test_a_table_of_crawls():
    """A row a crawl: pages of how many, records, and once a location how many requests are in flight."""
    lines = drawn(
        make_report(OPEN, **COUNTS),
        make_report(OPEN, **COUNTS | {"total": None, "drift": 2, "resource": "users"}),
        make_report(OPEN, **COUNTS | {"name": "berlin", "uid": "2"}),
    )
    assert lines[1] == ["hq", "assets", "full", "reading", "3/1,200", "1,647", "2/5"]
    assert lines[2] == ["users", "full", "reading", "3", "1,647", "2"]
    assert lines[3][:2] == ["berlin", "assets"]


def test_lines_for_a_pipe(capsys):
    """Without a terminal each crawl is one line, once it is over, and never twice."""
    with showing(lambda _: 0) as show:
        show([make_report(OPEN, **COUNTS | {"crawl_id": 1}), make_report(FAILED, **COUNTS | {"crawl_id": 2})])
        show([make_report(PUBLISHED, **COUNTS | {"crawl_id": 1}, is_consistent=True), make_report(FAILED, crawl_id=2)])
    assert capsys.readouterr().err.splitlines() == [
        "hq assets: failed, 1647 records read",
        "hq assets: published, 1647 records read",
    ]


def test_a_terminal_shows_the_table(monkeypatch, capsys):
    """On a terminal the table is drawn in place, and gone at the end."""
    monkeypatch.setattr(progress, "messages", Console(stderr=True, force_terminal=True, width=200))
    with showing(lambda _: 1) as show:
        show([make_report(OPEN, **COUNTS)])
    assert "1/5" in capsys.readouterr().err


def test_one_cause_is_one_line():
    """Crawls of a location that failed for one cause share a line, without their pages, and with the advice on it."""
    away = "Apple did not answer in time (no whole answer within 60 s). It was tried for over 90 seconds."
    reports = [
        make_report(FAILED, name="hq", reason=f"assets, page 3: {away}", error="Overdue"),
        make_report(FAILED, name="hq", resource="users", reason=f"users, page 0: {away}", error="Overdue"),
        make_report(FAILED, name="berlin", reason="Abandoned.", trouble=Trouble.AWAY),
        make_report(PUBLISHED, name="hq", resource="books"),
    ]
    assert causes(reports) == [f"hq assets, users: {away} Try again later.", "berlin assets: Abandoned."]
