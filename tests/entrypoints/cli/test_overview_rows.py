"""How an installation stands: rows of lists, folded where there are many, and the plan of a file as well."""

import json

import pytest
from rich.console import Console

from entrypoints import terminal as module
from entrypoints.cli.commands import doctor
from entrypoints.cli.declaration import _folded
from entrypoints.cli.overview import FOLD_ABOVE
from entrypoints.diagnosis import Finding
from entrypoints.exits import Exit
from orchestration.decisions.plan import PlanStep
from storage.states import Cause, LocationState, Trouble

ASSET = {"adamId": "7", "pricingParam": "STDQ"}


@pytest.fixture
def several(terminal):
    """A terminal at three locations, of which one has its lists, and one a token that was revoked."""
    terminal.store.add("berlin", "2")
    revoked = terminal.store.add("cairo", "3")
    terminal.store.locations.mark(revoked.id, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    terminal.publish("assets", ASSET, version="v1")
    terminal.publish("assignments", version="v1")
    terminal.publish("users", version="v1")
    return terminal


def narrow(terminal, width=80):
    """Give the terminal a width."""
    console = Console(force_terminal=True, width=width, color_system=None, soft_wrap=True)
    terminal.monkeypatch.setattr(module, "results", console)
    return console


def lines(terminal, *arguments, width=80):
    """Return what a terminal of some width shows."""
    console = narrow(terminal, width)
    with console.capture() as capture:
        terminal.run(*arguments)
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize(
    ("width", "columns"),
    [(40, 2), (80, 7), (200, 8)],
)
def test_it_fits(several, width, columns):
    """At any width each row fits, and no cell is cut off: columns go, the version of a list first."""
    shown = lines(several, "status", width=width)
    assert all(len(line) <= width for line in shown)
    every = ["location", "stream", "state", "records", "as of", "next", "uId", "version"]
    assert shown[0].replace("as of", "as-of").split() == [name.replace(" ", "-") for name in every[:columns]]
    assert "…" not in "".join(shown)
    assert "subscription-assignments" in "".join(shown)


def test_some_locations(several):
    """A name shows one location alone, to people and to programs; one that there is not is named."""
    assert {line.split()[0] for line in lines(several, "status", "berlin")[1:]} >= {"berlin"}
    assert "hq" not in "".join(lines(several, "status", "berlin"))
    told = json.loads(several.run("status", "berlin", "--json").out)
    assert [one["name"] for one in told["locations"]] == ["berlin"]
    ended = several.run("status", "nowhere")
    assert (ended.status, "There is no such location." in ended.err) == (Exit.USAGE, True)


def test_only_what_is_bad(several):
    """`--bad` leaves out what is in step; where all is, a sentence says so."""
    shown = lines(several, "status", "--bad")
    assert not any(line.startswith("hq") for line in shown)
    assert any(line.startswith("cairo") for line in shown)
    names = {one["name"] for one in json.loads(several.run("status", "--bad", "--json").out)["locations"]}
    assert "hq" not in names
    assert "cairo" in names
    assert several.run("status", "hq", "--bad").err.splitlines()[0] == "All is in step."
    assert several.run("status", "--bad", "--check").status == Exit.USAGE


def test_many_locations_fold(several):
    """Of very many locations those that need a look have a row each; the others are counted."""
    for number in range(FOLD_ABOVE):
        several.store.add(f"school-{number}", f"1{number}")
    shown = lines(several, "status")
    assert shown[0].split() == ["location", "state", "in", "step", "as", "of", "next", "uId"]
    assert any(line.split()[:5] == ["cairo", "revoked", "0", "of", "9"] for line in shown)
    assert not any(line.startswith("hq") for line in shown)
    err = several.run("status").err
    assert f"0 of {FOLD_ABOVE + 3} locations are in step, the oldest list as of" in err
    assert f"{FOLD_ABOVE + 2} have lists that were not read yet" in err
    assert any(line.startswith("hq") for line in lines(several, "status", "--all"))


def test_one_problem_of_many_lists_is_one_line(several):
    """Lists of a location with one problem share its sentence."""
    streams = several.store.streams.watched(several.store.location.id)
    cause = Cause(reason="Apple does not let the token read this list.", trouble=Trouble.PERSON)
    for stream in streams[-2:]:
        opened = several.store.open(stream)
        several.store.crawls.fail(several.store.crawls.get(opened.crawl_id), cause)
    told = [line for line in several.run("status", "hq").err.splitlines() if "does not let" in line]
    names = ", ".join(stream.resource for stream in streams[-2:])
    assert told == [f"hq {names}: Apple does not let the token read this list."]


def steps(count, words):
    """Return as many steps of one kind."""
    return [PlanStep(verb="add", uid=f"{n}", name=f"school-{n}", words=words(n)) for n in range(count)]


def test_a_plan_of_few_steps():
    """A few steps are each a line."""
    assert list(_folded(steps(2, lambda _: "assets"))) == [
        ("+", "add", "school-0 (0)", "assets"),
        ("+", "add", "school-1 (1)", "assets"),
    ]


def test_a_plan_of_many_steps():
    """Many steps that are alike are one line; of many that are not, the first are shown and the others counted."""
    alike = list(_folded(steps(1000, lambda _: "assets")))
    assert alike == [("+", "add", "school-0 (0), school-1 (1), school-2 (2) and 997 more", "assets")]
    others = list(_folded(steps(1000, lambda number: f"list {number}")))
    assert len(others) == 21
    assert others[-1] == ("+", "add", "980 more", "--json names them")


def test_the_doctor_folds(terminal):
    """Of very many tokens that are valid the first are named, and the others counted; none that is not is left out."""
    found = [Finding(mark="ok", part="token", words=f"token {number}") for number in range(50)]
    found.insert(40, Finding(mark="fail", part="token", words="revoked"))
    terminal.monkeypatch.setattr("entrypoints.diagnosis.examine", lambda **_: iter(found))
    ended = terminal.run("doctor")
    assert ended.status == Exit.FAILED
    told = ended.out.splitlines()
    assert len(told) == doctor.FOLD_ABOVE + 2
    assert told[-2].endswith("revoked")
    assert told[-1].endswith("40 more are valid (--json names them)")
    assert len(json.loads(terminal.run("doctor", "--json").out)) == 51
