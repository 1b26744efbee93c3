"""An installation as its Procfile runs it: every line of it a process, started by the line's own command."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entrypoints.embedded import processes

from .cluster import Cluster, Place, bare_cluster
from .flower import Flower
from .processes import await_workers
from .servers import StoppableRedis, free_port

PROCFILE = processes.ROOT / "Procfile"

_START_SECONDS = 40.0


def read_procfile() -> dict[str, str]:
    """Return the commands of the Procfile by their names."""
    lines = PROCFILE.read_text().splitlines()
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines)}


@dataclass(kw_only=True)
class Site:
    """A running installation, and its doors."""

    cluster: Cluster
    redis: StoppableRedis
    ports: dict[str, int]
    parts: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def notices_url(self) -> str:
        """Where notices go."""
        return f"http://127.0.0.1:{self.ports['WEBHOOK_PORT']}/notices"

    @property
    def flower(self) -> Flower:
        """Its Flower."""
        return Flower(origin=f"http://127.0.0.1:{self.ports['FLOWER_PORT']}")

    def get(self, port: str, path: str) -> tuple[int, str]:
        """Ask a door."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[port]}/{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def start(self, *names: str) -> None:
        """Start parts by the Procfile's own commands."""
        commands = read_procfile()
        for name in names:
            self.parts[name] = self._run(name, commands[name])

    def start_another(self, name: str) -> "subprocess.Popen[bytes]":
        """Start one more of a part, in a home of its own, as on another host."""
        return self._run(name, read_procfile()[name], PAGETURNER_HOME=str(self.cluster.home / f"other-{name}"))

    def kill(self, name: str) -> None:
        """Kill a part, and all that it started."""
        kill(self.parts.pop(name))

    def log(self, name: str) -> str:
        """Read what a part said."""
        return (self.cluster.home / f"{name}.log").read_text()

    def logs(self) -> str:
        """Read what all parts said."""
        return "".join(file.read_text() for file in self.cluster.home.glob("*.log"))

    def await_up(self) -> None:
        """Wait until every part answers."""
        await_workers(self.cluster.env, [f"pageturner-{self._worker_pid()}-{number}" for number in range(2)])
        await_true(lambda: self._answers("WEBHOOK_PORT", "readyz"), "the webhook answers")
        await_true(lambda: self._answers("METRICS_PORT", "readyz"), "the metrics answer")

    def _worker_pid(self) -> int:
        """Tell the number of the worker that the shell became, or started."""
        return self.parts["worker"].pid

    def _answers(self, port: str, path: str) -> bool:
        with contextlib.suppress(OSError):
            return self.get(port, path)[0] == 200
        return False

    def _run(self, name: str, command: str, **more: str) -> "subprocess.Popen[bytes]":
        env = self.cluster.env | more | {port: str(number) for port, number in self.ports.items()}
        env["FLOWER_UNAUTHENTICATED_API"] = "1"  # the tests ask it; it is closed where nobody says so
        env |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        with (self.cluster.home / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                env=env,
                cwd=processes.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def kill(child: "subprocess.Popen[bytes]") -> None:
    """Kill a process; what it started on a leash dies with it."""
    child.send_signal(signal.SIGKILL)
    child.wait()


def await_true(is_so: Callable[[], Any], what: str, seconds: float = _START_SECONDS) -> float:
    """Wait until something is so, and tell how long that took."""
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() - begun < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - begun


def await_under_way(place: Place, running: "subprocess.Popen[str]", requests: int = 5) -> None:
    """Wait until a sync has asked Apple a few times; one that ended before says why."""

    def is_so() -> bool:
        assert running.poll() is None, running.communicate()
        return bool(place.traffic()["requests"] > requests)

    await_true(is_so, "the crawl is under way")


@contextlib.contextmanager
def running_site(home: Path, *simulator: str, parts: Sequence[str] = ()) -> Iterator[Site]:
    """Run an installation by its Procfile for the length of the block."""
    (home / "redis").mkdir()
    redis = StoppableRedis(home / "redis")
    redis.start()
    try:
        with bare_cluster(home, *simulator, redis=redis.url) as cluster:
            ports = {name: free_port() for name in ("WEBHOOK_PORT", "METRICS_PORT", "FLOWER_PORT")}
            site = Site(cluster=cluster, redis=redis, ports=ports)
            try:
                site.start(*(parts or read_procfile()))
                site.await_up()
                yield site
            finally:
                for child in site.parts.values():
                    processes.stop(child)
    finally:
        redis.stop()
