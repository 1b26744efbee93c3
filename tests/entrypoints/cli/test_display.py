"""What a command that waits shows of its syncs: bars on a terminal, and lines in a log."""

from datetime import timedelta

import pytest
from rich.console import Console

from entrypoints.cli import display as module
from entrypoints.cli.display import Bars, Lines
from orchestration.decisions.progress import progress
from storage.closings import Closing
from storage.states import CrawlKind, CrawlState, Trouble
from tests.support.examples import NOW, make_report

OPEN, FAILED = CrawlState.OPEN, CrawlState.FAILED
READING = {"name": "hq", "kind": CrawlKind.FULL, "pages": 300, "total": 1200, "records": 1647, "heard_at": NOW}
DONE = READING | {"is_consistent": True, "drift": 0}


@pytest.fixture(params=[60, 80, 120, 200])
def console(request, monkeypatch):
    """A terminal of some width."""
    made = Console(force_terminal=True, width=request.param, height=24, color_system=None, legacy_windows=False)
    monkeypatch.setattr(module, "messages", made)
    return made


def drawn(console, reports, closings=None):
    """Return the lines that a terminal shows."""
    with console.capture() as capture:
        console.print(Bars().draw(reports, progress(reports, closings or {}, NOW)))
    lines = capture.get().splitlines()
    assert all(len(line) <= console.width for line in lines)
    return [line.rstrip() for line in lines if line.strip()]


def test_one_location(console):
    """A single location has a bar with its pages, what each of its lists is at, and what was read so far."""
    waiting = READING | {"pages": 0, "total": None, "records": 0}
    reports = [
        make_report(OPEN, **READING),
        make_report(OPEN, **waiting, resource="subscriptions"),
        make_report(OPEN, **waiting, resource="subscription-admins"),
    ]
    lines = drawn(console, reports)
    assert lines[0].startswith("hq ")
    assert "300/1,200+" in lines[0]
    assert "━" in lines[0]
    told = " ".join(lines[1:])
    assert "assets 300/1,200 · subscriptions, subscription-admins waiting for assets" in told
    assert "1,647 records, 0:00" in told


def test_a_rest(console):
    """A rest that Apple asked for is told with its seconds and its reason."""
    rest = Closing(gate="1", until=NOW + timedelta(seconds=7), step=1, why="Too many calls.", error="SlowDown")
    told = " ".join(drawn(console, [make_report(OPEN, **READING)], {"1": rest}))
    assert "hq: Apple asked for a rest, 7 s left. Too many calls. Requests resume by themselves" in told
    away = Closing(gate="1", until=NOW + timedelta(seconds=7), step=1, why="No answer.", error="Unreachable")
    assert "hq: Apple is asked again in 7 s. No answer." in " ".join(
        drawn(console, [make_report(OPEN, **READING)], {"1": away})
    )


def test_many_locations_fold(console):
    """Of a thousand locations those at work have bars, as many as there is room for; the others are counted."""
    refused = {"trouble": Trouble.PERSON, "reason": "The token was revoked.", "error": "TokenRevoked"}
    reports = [make_report(OPEN, **READING | {"name": f"school-{n}"}, uid=f"a{n}") for n in range(40)]
    reports += [make_report(**DONE | {"name": f"done-{n}"}, uid=f"b{n}") for n in range(900)]
    reports += [
        make_report(OPEN, **READING | {"name": f"later-{n}", "pages": 0, "total": None, "records": 0}, uid=f"c{n}")
        for n in range(55)
    ]
    reports += [make_report(FAILED, **READING | {"name": f"bad-{n}"}, uid=f"d{n}", **refused) for n in range(5)]
    lines = drawn(console, reports)
    assert len(lines) <= 24
    assert sum("school-" in line for line in lines) >= 10
    told = " ".join(lines)
    assert "bad-0 assets: The token was revoked." in told
    assert "2 more failed: all are named at the end." in told
    assert "40 at work · 55 waiting · 5 needs you · 900 done" in told


def test_bars_come_and_go(console):
    """A location that is done has no bar any more; one that comes to work has one."""
    bars = Bars()
    first = [make_report(OPEN, **READING), make_report(OPEN, **READING | {"name": "berlin"}, uid="2")]
    bars.draw(first, progress(first, {}, NOW))
    then = [make_report(**DONE), first[1]]
    with console.capture() as capture:
        console.print(bars.draw(then, progress(then, {}, NOW)))
    assert "berlin" in capture.get()
    assert "hq" not in capture.get()


def test_foreign_names_are_texts(console):
    """A name with markup or control characters is shown as it is, and does nothing."""
    told = " ".join(drawn(console, [make_report(OPEN, **READING | {"name": "[red]\x1b[31mhq"})]))
    assert "[red]·[31mhq" in told


def written(capsys, lines, reports):
    """Return what is written to a log."""
    lines.show(reports, progress(reports, {}, NOW))
    return capsys.readouterr().err.splitlines()


def test_a_line_for_each_list(capsys):
    """Without a terminal each list of a few locations is one line, once it is over, and never twice."""
    lines = Lines()
    reports = [make_report(OPEN, **READING, crawl_id=1), make_report(FAILED, **READING, crawl_id=2, drift=0)]
    assert written(capsys, lines, reports) == ["hq assets: failed, 1647 records read"]
    assert written(capsys, lines, [make_report(**DONE, crawl_id=1), reports[1]]) == [
        "hq assets: published, 1647 records read"
    ]


def test_a_line_for_each_location(capsys):
    """Of more locations each is one line; of very many only those that failed."""
    reports = [make_report(**DONE | {"name": f"school-{n}"}, uid=f"{n}") for n in range(10)]
    assert written(capsys, Lines(), reports)[0] == "school-0: done, 300 pages, 1,647 records"
    reports = [make_report(**DONE | {"name": f"school-{n}"}, uid=f"{n}") for n in range(100)]
    reports.append(make_report(FAILED, **READING | {"name": "bad"}, uid="bad"))
    assert written(capsys, Lines(), reports) == ["bad: failed, 300 pages, 1,647 records"]


def test_a_line_from_time_to_time(capsys, monkeypatch):
    """While nothing ends, a line tells from time to time how far all is."""
    monkeypatch.setattr(module, "LINE_SECONDS", 0.0)
    lines = Lines()
    assert written(capsys, lines, [make_report(OPEN, **READING)]) == ["0:00  hq: 300/1,200 pages, at work."]
    rest = Closing(gate="1", until=NOW + timedelta(seconds=7), step=1, why="Too many calls.", error="SlowDown")
    reports = [make_report(OPEN, **READING)]
    lines.show(reports, progress(reports, {"1": rest}, NOW))
    assert capsys.readouterr().err == "0:00  hq: 300/1,200 pages, Apple asked for a rest, 7 s left.\n"
    many = [make_report(OPEN, **READING | {"name": f"{n}"}, uid=f"{n}") for n in range(5)]
    assert written(capsys, lines, many) == ["0:00  5 at work · 1,500 pages read."]
    assert written(capsys, lines, [make_report(**DONE, crawl_id=1)]) == ["hq assets: published, 1647 records read"]
