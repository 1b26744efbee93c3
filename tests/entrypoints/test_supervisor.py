"""Processes that are kept running, and stopped together."""

import os
import signal
import sys
from collections.abc import Callable
from functools import partial

import pytest

from entrypoints.embedded import processes, supervisor
from entrypoints.embedded.supervisor import SupervisedPart, Supervisor
from entrypoints.exits import Exit, Failure

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
END = (sys.executable, "-c", "raise SystemExit(3)")


@pytest.fixture
def quick(monkeypatch):
    """Look after parts without pauses."""
    monkeypatch.setattr(supervisor, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(supervisor, "_RESTART_SECONDS", 0.001)


@pytest.fixture
def stopping():
    """Stop what a test leaves running."""
    running: list[Supervisor] = []
    yield running.append
    for one in running:
        one.stop(0.0)


@pytest.mark.usefixtures("quick")
def test_parts_that_cannot_start_are_given_up(capsys, stopping):
    """A part that ends right after each start is started again some times; then the command says so and ends."""
    kept = Supervisor([SupervisedPart(name="One", command=END), SupervisedPart(name="Another", command=SLEEP)])
    stopping(kept)
    with pytest.raises(Failure, match="One ended 5 times right after its start") as caught:
        kept.run()
    assert caught.value.status is Exit.FAILED
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["One ended with status 3: starting it again."] * (supervisor._DEATHS - 1)


@pytest.mark.usefixtures("quick")
def test_a_part_that_dies_later_is_started_again(monkeypatch, capsys, stopping):
    """A part that ends long after its start costs nothing but a new start, however often."""
    monkeypatch.setattr(supervisor, "_YOUNG_SECONDS", -1.0)
    kept, said = Supervisor([SupervisedPart(name="One", command=END)]), list[str]()
    stopping(kept)

    def look() -> None:
        said.extend(capsys.readouterr().err.splitlines())
        if len(said) > 2 * supervisor._DEATHS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.run(look)


@pytest.mark.usefixtures("quick")
def test_a_part_that_is_killed_comes_back(stopping):
    """The others go on meanwhile."""
    kept = Supervisor([SupervisedPart(name="One", command=SLEEP), SupervisedPart(name="Another", command=SLEEP)])
    stopping(kept)
    seen: list[dict[str, int]] = []

    def look() -> None:
        if not seen:
            seen.append({name: child.pid for name, child in kept._children.items()})
            os.kill(seen[0]["One"], signal.SIGKILL)
        elif kept._children["One"].pid != seen[0]["One"]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.run(look)
    assert kept._children["One"].poll() is None
    assert kept._children["Another"].pid == seen[0]["Another"]


@pytest.mark.usefixtures("quick")
def test_all_parts_stop_side_by_side(monkeypatch):
    """Parts that are stopped get their time together, and not one after the other."""
    kept = Supervisor([SupervisedPart(name=str(number), command=SLEEP) for number in range(3)])

    def look() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.run(look)
    steps: list[str] = []
    wait = processes.stop
    for child in kept._children.values():
        monkeypatch.setattr(child, "terminate", partial(_note, steps, "asked to end", child.terminate))
    monkeypatch.setattr(processes, "stop", lambda *given: _note(steps, "waited for", lambda: wait(*given)))
    kept.stop(30.0)
    assert steps[:4] == ["asked to end"] * 3 + ["waited for"]
    assert {child.returncode for child in kept._children.values()} == {-signal.SIGTERM}


def _note(steps: list[str], words: str, step: Callable[[], None]) -> None:
    steps.append(words)
    step()
