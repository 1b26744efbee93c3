"""The simulator and the workers as processes of their own."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from entrypoints.embedded import processes
from settings import celery_url

_START_SECONDS = 120.0

#: How long the simulated Apple takes for an answer, where a test names nothing else.
LATENCY_MS = 60

COMMAND = str(Path(sys.executable).with_name("pageturner"))


@dataclass(frozen=True, kw_only=True)
class Apple:
    """A running simulator."""

    origin: str
    locations: list[dict[str, str]]

    @property
    def uid(self) -> str:
        """The uId of the first location."""
        return self.locations[0]["uid"]

    @property
    def token(self) -> str:
        """The token of the first location."""
        return self.locations[0]["token"]

    def truth(self, resource: str, uid: str | None = None) -> list[dict[str, Any]]:
        """Every record of a resource as it is now."""
        with self._open(f"truth/{uid or self.uid}/{resource}") as answer:
            return [json.loads(line) for line in answer]

    def traffic(self, uid: str | None = None) -> dict[str, Any]:
        """What was counted so far."""
        traffic: dict[str, Any] = self._ask(f"traffic/{uid or self.uid}")
        return traffic

    def lookups(self) -> dict[str, Any]:
        """What the store was asked."""
        asked: dict[str, Any] = self._ask("lookups")
        return asked

    def forget_traffic(self, uid: str | None = None) -> None:
        """Count from nothing again."""
        self._ask(f"traffic/{uid or self.uid}", method="DELETE")

    def change(self, uid: str | None = None, **change: Any) -> None:
        """Change the data, now or before a later request."""
        self._ask(f"changes/{uid or self.uid}", [change])

    def rest(self, uid: str | None = None) -> None:
        """Have all changes that wait for a later request happen now, and be quiet from here on."""
        self._ask(f"changes/{uid or self.uid}", method="DELETE")

    def fail(self, *faults: dict[str, Any], uid: str | None = None) -> None:
        """Script the faults to come."""
        self._ask(f"faults/{uid or self.uid}", list(faults))

    def switch(self, **switches: Any) -> None:
        """Turn switches."""
        self._ask("switches", switches)

    @contextlib.contextmanager
    def slowed(self, latency: float, *, usual: float = LATENCY_MS / 1000) -> Iterator[None]:
        """Take so many seconds for each answer within the block: long beside all that a test does meanwhile."""
        self.switch(latency=latency)
        try:
            yield
        finally:
            self.switch(latency=usual)

    def new_token(self, uid: str | None = None) -> str:
        """Make a newer token, which revokes the one before."""
        return str(self._ask(f"tokens/{uid or self.uid}", {})["token"])

    def set_token(self, state: str, uid: str | None = None) -> None:
        """Set the state of the newest token."""
        self._ask(f"tokens/{uid or self.uid}", {"state": state})

    def set_expiry(self, expires: str, uid: str | None = None) -> None:
        """Set when the token expires."""
        self._ask(f"tokens/{uid or self.uid}", {"expires": expires})

    def notices(self, uid: str | None = None) -> list[dict[str, Any]]:
        """Every notice that was sent, and how each was answered."""
        notices: list[dict[str, Any]] = self._ask(f"notices/{uid or self.uid}")
        return notices

    def expire(self, *what: str, uid: str | None = None) -> None:
        """Let versions, cursors or batches expire."""
        self._ask(f"expire/{uid or self.uid}", list(what))

    def set_owner(self, owner: dict[str, str] | None, uid: str | None = None) -> None:
        """Have a service manage the location."""
        self._ask(f"owner/{uid or self.uid}", owner)

    def _ask(self, path: str, body: Any = ..., method: str | None = None) -> Any:
        with self._open(path, body, method) as answer:
            return json.load(answer)

    def _open(self, path: str, body: Any = ..., method: str | None = None) -> Any:
        data = None if body is ... else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.origin}/simulator/{path}", data=data, method=method)
        return urllib.request.urlopen(request, timeout=30)


@contextlib.contextmanager
def running_simulator(*options: str) -> Iterator[Apple]:
    """Run a simulator for the length of the block."""
    command = [COMMAND, "simulate", "--port", "0", *options]
    child = processes.start(command, log=subprocess.PIPE)
    try:
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], _START_SECONDS)
        assert ready, "the simulator did not start"
        yield Apple(**json.loads(child.stdout.readline()))
    finally:
        processes.stop(child)
        if child.stdout is not None:
            child.stdout.close()


def bare_environment(home: Path) -> dict[str, str]:
    """Return an environment with nothing of this machine's, except what measures coverage; no names are looked up."""
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    own = {"HOME": str(home), "PAGETURNER_HOME": str(home / "home"), "PAGETURNER_NAMES": "off"}
    return coverage | {"PATH": "/usr/bin:/bin"} | own


@contextlib.contextmanager
def running_workers(
    env: Mapping[str, str],
    *,
    processes_: int = 2,
    threads: int = 8,
    log: Path | None = None,
    log_level: str = "INFO",
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Run worker processes for the length of the block, as `pageturner worker` starts them."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context((log or Path(os.devnull)).open("ab"))
        names = [f"worker-{os.getpid()}-{number}" for number in range(processes_)]
        children = []
        for name in names:
            children.append(processes.start(processes.worker_command(threads, name, log_level), log=file, env=env))
            stack.callback(processes.stop, children[-1])
        await_workers(env, names)
        yield children


def await_workers(env: Mapping[str, str], names: list[str]) -> None:
    """Wait until workers answer."""
    broker = env.get("PAGETURNER_BROKER_URL") or env["PAGETURNER_REDIS_URL"]
    app = Celery(broker=celery_url(broker), set_as_current=False)
    until = time.monotonic() + _START_SECONDS
    missing = set(names)
    while missing:
        assert time.monotonic() < until, f"no answer from {missing}"
        with contextlib.suppress(OSError, RedisError, OperationalError):  # a broker that was away is connected anew
            answers = app.control.ping(timeout=1.0, limit=len(names))
            missing -= {name.split("@")[0] for answer in answers for name in answer}
    app.close()
