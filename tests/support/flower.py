"""Flower as a process of its own."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from entrypoints.embedded import processes

from .servers import free_port

_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Flower:
    """A running Flower."""

    origin: str

    def await_task(self, name: str, state: str = "") -> list[dict[str, Any]]:
        """Wait until tasks of a name, and of a state if one is given, are listed, and return them."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            if tasks := [task for task in self.tasks(name) if state in {"", task["state"]}]:
                return tasks
            assert time.monotonic() < until, f"Flower shows no {name}"

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """Return the tasks of a name that are listed."""
        return [task for task in self.ask("api/tasks?limit=500").values() if task["name"] == name]

    def ask(self, path: str) -> Any:
        """Ask Flower's API."""
        with urllib.request.urlopen(f"{self.origin}/{path}", timeout=10) as answer:
            return json.load(answer)


@contextlib.contextmanager
def running_flower(env: Mapping[str, str]) -> Iterator[Flower]:
    """Run Flower for the length of the block, from when it has seen the workers."""
    port = free_port()
    options = ["--conf=tasks/flower.py", "--address=127.0.0.1", f"--port={port}"]
    command = [sys.executable, "-m", "celery", "-A", "tasks", "flower", *options]
    child = processes.start(command, log=subprocess.DEVNULL, env={**env, "FLOWER_UNAUTHENTICATED_API": "1"})
    flower = Flower(origin=f"http://127.0.0.1:{port}")
    try:
        _await_workers(flower)
        yield flower
    finally:
        processes.stop(child)


def _await_workers(flower: Flower) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if len(flower.ask("api/workers?refresh=1")) > 1:
                return
        assert time.monotonic() < until, "Flower does not see the workers"
        time.sleep(0.2)
