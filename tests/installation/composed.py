"""What `docker-compose.yml` makes of a host, and what a test may do with it."""

import contextlib
import json
import os
import re
import secrets
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from storage.sealer import make_key

from ..support.cluster import canonical
from ..support.processes import Apple
from ..support.servers import free_port

ROOT = Path(__file__).resolve().parents[2]

_PATIENCE_SECONDS = 300.0

#: Probes of health have time limits: where all tests run beside, containers come before them.
_CPU_SHARES = 8192

_VERSION = "under-test"
_LABEL = "com.docker.compose"

#: Of the simulated Apple: as much as keeps a crawl busy while workers come and go.
_SIZE = ("--assignments", "10000", "--users", "300", "--assets", "40", "--page-size", "100", "--latency", "200")

#: What the compose file gives a name and a start of its own.
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PARTS = tuple(name for name, one in SERVICES.items() if not one.get("profiles") and name != "migrate")
IMAGE = f"pageturner:{_VERSION}"


@dataclass(frozen=True, kw_only=True)
class Composed:
    """One installation."""

    env: dict[str, str]
    compose: tuple[str, ...]
    ports: dict[str, int]

    def docker(self, *arguments: str) -> str:
        """Have the engine do something, and return what it says."""
        return _run(["docker", *arguments], self.env).stdout

    def up(self, **settings: str) -> None:
        """Start what is not as the files say, and wait until all of it is well."""
        _run([*self.compose, "up", "--detach", "--no-build", "--remove-orphans"], self.env | settings)
        self.await_health()

    def run(self, *arguments: str, given: str | None = None) -> str:
        """Run a command of ours in the container of a worker."""
        worker = self.containers("worker")[-1]["Id"]
        return _run(["docker", "exec", "--interactive", worker, "pageturner", *arguments], self.env, given).stdout

    def run_with(self, volume: str, *arguments: str) -> str:
        """Run a command of ours in a container of its own, with a folder of this host."""
        options = ["run", "--rm", "-T", "--no-deps", "--volume", volume, "worker", *arguments]
        return _run([*self.compose, *options], self.env).stdout

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command of ours in a container of its own."""
        options = ["run", "--rm", "-T", "--no-deps", "worker", *arguments]
        return subprocess.Popen(
            [*self.compose, *options], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def follow(self, line: str) -> None:
        """Run a line of a document in a shell."""
        _run(["bash", "-c", line.replace("docker compose", " ".join(self.compose))], self.env)

    def containers(self, service: str | None = None) -> list[dict[str, Any]]:
        """Look at the containers of a service, or of all, in the order of their numbers."""
        labels = {"project": self.env["COMPOSE_PROJECT_NAME"], "oneoff": "False"}
        labels |= {} if service is None else {"service": service}
        chosen = [part for name, value in labels.items() for part in ("--filter", f"label={_LABEL}.{name}={value}")]
        names = self.docker("ps", "--all", "--quiet", *chosen).split()
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", *names)) if names else []
        return sorted(found, key=lambda one: one["Name"])

    def await_health(self) -> None:
        """Wait until every part runs, and is healthy where that is looked at."""
        _await(lambda: not self.unwell(), self._complain)

    def unwell(self) -> list[str]:
        """Name the parts that do not run, or are not healthy."""
        states: dict[str, list[dict[str, Any]]] = {name: [] for name in PARTS}
        for one in self.containers():
            states.setdefault(one["Config"]["Labels"][f"{_LABEL}.service"], []).append(one["State"])
        return [name for name in PARTS if not states[name] or not all(map(_is_well, states[name]))]

    def _complain(self) -> str:
        """Say of each part that is not well how it stands, and what it last wrote."""
        told = []
        for service in self.unwell():
            for one in self.containers(service):
                state = one["State"] | {"RestartCount": one["RestartCount"]}
                told.append(f"{one['Name']} is not well: {json.dumps(state)}\n{self._last_lines(one['Id'])}")
        return "\n".join(told)

    def _last_lines(self, container: str) -> str:
        done = _run(["docker", "logs", "--tail", "15", container], self.env)
        return f"{done.stdout}{done.stderr}"

    def kill(self, service: str) -> None:
        """Kill the first container of a service as a machine would: the engine hears of it afterwards."""
        before = self.containers(service)[0]
        kill = ["run", "--rm", "--pid", "host", "--network", "none", "--user", "0", "--entrypoint", "sh", IMAGE, "-c"]
        self.docker(*kill, f"kill -9 {before['State']['Pid']}")
        _await(
            lambda: self.containers(service)[0]["RestartCount"] > before["RestartCount"],
            lambda: f"the engine does not start {service} again",
        )

    def answers(self, service: str, path: str) -> int:
        """Return the status with which a part answers at its port of this host."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[service]}{path}", timeout=30) as answer:
            return int(answer.status)

    def apple(self) -> Apple:
        """Find the simulated Apple."""
        networks = self.containers("simulator")[0]["NetworkSettings"]["Networks"]
        origin = f"http://{next(iter(networks.values()))['IPAddress']}:8090"
        with urllib.request.urlopen(f"{origin}/simulator/locations", timeout=30) as answer:
            return Apple(origin=origin, locations=json.load(answer))

    def differences(self, name: str, uid: str, *kinds: str) -> list[str]:
        """Name the resources whose records here are not those at Apple."""
        apple = self.apple()
        return [kind for kind in kinds if self._records(name, kind) != Counter(map(canonical, apple.truth(kind, uid)))]

    def _records(self, name: str, resource: str) -> "Counter[str]":
        text = self.run("export", resource, "--location", name, "--format", "ndjson")
        return Counter(canonical(json.loads(line)) for line in text.splitlines())


@contextlib.contextmanager
def composed(folder: Path) -> Iterator[Composed]:
    """Build the image, run the installation for the length of the block, and leave nothing of it."""
    ports = {service: free_port() for service in ("webhook", "metrics", "console", "flower")}
    override = folder / "override.yml"
    command = [*SERVICES["simulator"]["command"], *_SIZE]
    overrides: dict[str, dict[str, Any]] = {name: {"cpu_shares": _CPU_SHARES} for name in SERVICES}
    overrides["simulator"]["command"] = command
    overrides["worker"]["healthcheck"] = {"interval": "5s"}
    override.write_text(yaml.safe_dump({"services": overrides}))
    env = {name: value for name, value in os.environ.items() if not name.startswith("PAGETURNER_")}
    env |= {f"{service.upper()}_PORT": str(port) for service, port in ports.items()}
    env |= {f"{part}_PASSWORD": secrets.token_hex(12) for part in ("POSTGRES", "REDIS", "FLOWER")}
    env |= {"PAGETURNER_SECRET_KEYS": make_key(), "PAGETURNER_APPLE_URL": "http://simulator:8090"}
    env |= {"PAGETURNER_VERSION": _VERSION, "COMPOSE_PROJECT_NAME": f"pageturner{secrets.token_hex(4)}"}
    env |= {"COMPOSE_PROFILES": "simulator"}
    _run(["docker", "build", "--network", "host", "--tag", IMAGE, str(ROOT)], env)
    files = ["--project-directory", str(ROOT), "--file", str(ROOT / "docker-compose.yml"), "--file", str(override)]
    made = Composed(env=env, compose=(*_compose(env), *files), ports=ports)
    try:
        made.up()
        yield made
    finally:
        logs = subprocess.run([*made.compose, "logs", "--no-color"], env=env, capture_output=True, check=False)
        (folder / "containers.log").write_bytes(logs.stdout)
        _run([*made.compose, "down", "--volumes", "--timeout", "5"], env)


def _is_well(state: dict[str, Any]) -> bool:
    return bool(state["Running"]) and state.get("Health", {"Status": "healthy"})["Status"] == "healthy"


def image_megabytes(name: str) -> float:
    """Return how large an image is."""
    done = _run(["docker", "image", "inspect", "--format", "{{.Size}}", name], dict(os.environ))
    return int(done.stdout) / 1e6


def base_images() -> list[str]:
    """Name the public images that the image is built on, and that the parts which are not ours run."""
    ground = re.findall(r"^FROM (\S+:\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    servers = [one["image"] for one in SERVICES.values() if "build" not in one and not one.get("profiles")]
    return sorted({*ground, *servers})


def _compose(env: dict[str, str]) -> list[str]:
    plugin = subprocess.run(["docker", "compose", "version"], env=env, capture_output=True, check=False)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]


def _run(command: list[str], env: dict[str, str], given: str | None = None) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, env=env, input=given, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def _await(is_so: Callable[[], bool], complaint: Callable[[], str]) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until, complaint()
        time.sleep(0.5)
