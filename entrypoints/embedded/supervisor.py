"""The supervisor: processes that are kept running, and stopped together."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from ..exits import Exit, Failure
from ..terminal import say
from . import processes

_LOOK_SECONDS = 0.5

#: The pause before a part is started again.
_RESTART_SECONDS = 2.0

#: After this many ends of parts in a row, each this soon after its start, all of them are stopped.
_DEATHS = 5
_YOUNG_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class SupervisedPart:
    """A process that is kept running."""

    name: str
    command: Sequence[str]


class Supervisor:
    """Starts parts again that end."""

    def __init__(self, parts: Sequence[SupervisedPart], log: IO[bytes] | None = None) -> None:
        """Take the parts, and where they write; without a log they write where this process does."""
        self._log = log
        self._parts = {one.name: one for one in parts}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._begun: dict[str, float] = {}

    def run(self, look: Callable[[], None] = lambda: None) -> None:
        """Run the parts until this process is interrupted; raise Failure once they are given up."""
        deaths = 0
        for name in self._parts:
            self._start(name)
        while True:
            time.sleep(_LOOK_SECONDS)
            look()
            for name in [name for name, child in self._children.items() if child.poll() is not None]:
                deaths = deaths + 1 if time.monotonic() - self._begun[name] < _YOUNG_SECONDS else 1
                if deaths >= _DEATHS:
                    where = "what it said above" if self._log is None else self._log.name
                    words = f"{name} ended {deaths} times right after its start: {where} says why."
                    raise Failure(words, Exit.FAILED)
                say(f"{name} ended with status {self._children[name].returncode}: starting it again.")
                time.sleep(_RESTART_SECONDS)
                self._start(name)

    def stop(self, seconds: float) -> None:
        """Stop all parts: what is under way may end within so many seconds."""
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
        until = time.monotonic() + seconds
        for child in self._children.values():
            processes.stop(child, max(0.1, until - time.monotonic()))

    def _start(self, name: str) -> None:
        self._children[name] = processes.start(list(self._parts[name].command), log=self._log)
        self._begun[name] = time.monotonic()
