"""What a sync came to: a table, a sentence, and a line for each cause of a failure."""

import pytest
from rich.console import Console

from entrypoints import terminal
from entrypoints.cli import outcome
from entrypoints.cli.outcome import causes, describe, print_outcome, sum_up
from storage.ledger.waits import Wait
from storage.states import CrawlKind, CrawlState, Trouble
from tests.support.examples import NOW, make_report

OPEN, SETTLED, PUBLISHED, FAILED = CrawlState.OPEN, CrawlState.SETTLED, CrawlState.PUBLISHED, CrawlState.FAILED

COUNTS = {"pages": 3, "records": 250, "inserted": 12, "updated": 1, "deleted": 0, "drift": 0}
READ = {"name": "hq", "kind": CrawlKind.FULL, "is_consistent": True, **COUNTS}


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


def printed(monkeypatch, capsys, width, reports):
    """Return what a terminal of a width shows, and what is said beside it."""
    console = Console(force_terminal=True, width=width, color_system=None, soft_wrap=True)
    for module in (outcome, terminal):
        monkeypatch.setattr(module, "results", console)
    with console.capture() as capture:
        print_outcome(reports)
    return capture.get().splitlines(), capsys.readouterr().err


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_columns_go_before_letters(monkeypatch, capsys, width):
    """Whatever the width, no cell is cut off: what does not fit is left out as a whole, the least important first."""
    reports = [make_report(**READ, resource="subscription-assignments"), make_report(**READ, resource="users")]
    lines, _ = printed(monkeypatch, capsys, width, reports)
    header, first, _ = lines
    assert (
        header.split()[: 2 if width == 40 else 5]
        == ["location", "stream", "state", "records", "changed"][: 2 if width == 40 else 5]
    )
    assert "subscription-assignments" in first
    assert ("+12 ~1 -0" in first) is (width >= 80)
    assert "…" not in "".join(lines)


def test_a_list_is_one_row(monkeypatch, capsys):
    """A list that was read twice, as a whole and of some assets, is one row with all that changed."""
    spot = READ | {"kind": CrawlKind.SPOT, "pages": 2, "deleted": 5}
    lines, _ = printed(monkeypatch, capsys, 200, [make_report(**READ), make_report(**spot)])
    assert lines[1].split() == ["hq", "assets", "published", "500", "+24", "~2", "-5", "5", "full,", "spot"]


def test_a_list_without_more_news(monkeypatch, capsys):
    """A list that was published, and looked at once more without news, was published."""
    quiet = make_report(CrawlState.UNCHANGED, **READ | {"inserted": 0, "updated": 0})
    lines, _ = printed(monkeypatch, capsys, 200, [make_report(**READ), quiet])
    assert lines[1].split()[:3] == ["hq", "assets", "published"]
    lines, _ = printed(monkeypatch, capsys, 200, [make_report(**READ), make_report(FAILED, **READ)])
    assert lines[1].split()[:3] == ["hq", "assets", "failed"]


def test_many_lists_fold(monkeypatch, capsys):
    """Of very many lists a terminal shows those that need somebody; the others are counted."""
    reports = [make_report(**READ | {"name": f"school-{n}"}, uid=f"{n}") for n in range(100)]
    reports.append(make_report(FAILED, **READ | {"name": "bad"}, uid="bad"))
    lines, said = printed(monkeypatch, capsys, 80, reports)
    assert [line.split()[0] for line in lines] == ["location", "bad"]
    assert "100 lists of 100 locations are in step: +1,212 ~101 -0." in said


def wait(seconds, *, is_asked=True):
    """Return a wait."""
    return Wait(gate="1", begun_at=NOW, seconds=seconds, is_asked=is_asked, error=None)


@pytest.mark.parametrize(
    ("reports", "waits", "words"),
    [
        ([make_report(**READ)], [], "42 s: 3 pages, 250 records."),
        (
            [make_report(**READ | {"pages": 1, "records": 1, "drift": 2})],
            [wait(12.0), wait(24.0), wait(90.0, is_asked=False)],
            (
                "42 s: 1 page, 1 record, read again 2 times because the data changed meanwhile, "
                "2 waits asked for by Apple (36 s), 90 s without answers from Apple."
            ),
        ),
    ],
)
def test_one_sentence(reports, waits, words):
    """All of it is one sentence: how long, how much, and what it waited for."""
    assert sum_up(reports, waits, 42.3) == words


def test_one_cause_is_one_line():
    """Lists of a location that failed for one cause share a line, without their pages, and with the advice on it."""
    away = "Apple did not answer in time (no whole answer within 60 s). It was tried for over 90 seconds."
    reports = [
        make_report(FAILED, name="hq", reason=f"assets, page 3: {away}", error="Overdue"),
        make_report(FAILED, name="hq", resource="users", reason=f"users, page 0: {away}", error="Overdue"),
        make_report(FAILED, name="berlin", reason="Abandoned.", trouble=Trouble.AWAY),
        make_report(PUBLISHED, name="hq", resource="books"),
    ]
    assert causes(reports) == [f"hq assets, users: {away} Try again later.", "berlin assets: Abandoned."]


def test_a_whole_location_that_failed():
    """Where all lists of a location failed for one cause, the location alone is named."""
    refused = {"name": "hq", "reason": "The token was revoked.", "error": None}
    reports = [make_report(FAILED, **refused), make_report(FAILED, **refused, resource="users")]
    assert causes(reports) == ["hq: The token was revoked."]
