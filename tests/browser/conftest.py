"""A browser, and installations for it to look at."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from entrypoints.embedded import processes
from tests.support.browser import chromium
from tests.support.forks import forks
from tests.support.processes import Apple, running_simulator
from tests.support.servers import free_port

_START_SECONDS = 60.0

#: Of the simulated Apple: 353 pages of assignments.
PAGES = 353
_SIZE: tuple[str, ...] = ("--locations", "2", "--assets", "40", "--assignments", str(PAGES * 50), "--users", "400")
_SIZE += ("--page-size", "50", "--subscriptions", "20", "--subscription-assignments", "40", "--latency", "40")
_SIZE += ("--subscription-admins", "5")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of a module's own: while its driver runs, no other test of the process can run an event loop."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def apple() -> Iterator[Apple]:
    """A simulated Apple of a module's own."""
    with running_simulator(*_SIZE) as running:
        yield running


@dataclass(kw_only=True)
class Home:
    """An installation on one machine, as `pageturner serve` runs it."""

    env: dict[str, str]
    port: int
    child: "subprocess.Popen[bytes]"

    @property
    def origin(self) -> str:
        """Where its console is."""
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str) -> str:
        """Run a command to its good end."""
        done = forks().run(list(arguments), self.env, 120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add(self, token: str, name: str) -> None:
        """Add a location by its token."""
        file = Path(self.env["PAGETURNER_HOME"]).parent / f"{name}.vpptoken"
        file.write_text(token)
        self.run("locations", "add", str(file), "--name", name)


@contextmanager
def serving_home(folder: Path, apple: Apple) -> Iterator[Home]:
    """Run `pageturner serve` for the length of the block."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("PAGETURNER_")}
    env |= {"PAGETURNER_HOME": str(folder / "home"), "PAGETURNER_APPLE_URL": apple.origin}
    env |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    program = "from entrypoints.cli.main import run; run()"
    with (folder / "serve.log").open("wb") as log:
        command = [sys.executable, "-c", program, "serve", "--port", str(port)]
        child = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=processes.ROOT, start_new_session=True)
    home = Home(env=env, port=port, child=child)
    try:
        await_answer(f"{home.origin}/readyz", (folder / "home" / "servers.log").read_text)
        yield home
    finally:
        processes.stop(child, 60)


def await_answer(url: str, complaint: Callable[[], str]) -> None:
    """Wait until an address answers well."""
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < until, complaint()
            time.sleep(0.1)


@pytest.fixture(scope="module")
def home(tmp_path_factory, apple) -> Iterator[Home]:
    """An installation on one machine, without locations."""
    with serving_home(tmp_path_factory.mktemp("served"), apple) as running:
        yield running
