"""Commands as forks of one process that has imported everything: each begins in milliseconds, not in a second.

A fork is a process of its own, with an environment, an exit status and signals of its own. What it does not do again is
to import the libraries. Tests run some hundred commands; those that are about the start of one execute it.
"""

import gc
import json
import os
import pkgutil
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from entrypoints.embedded.processes import ROOT

from .processes import COMMAND

#: Before each request comes its length, with the files that it is to write to.
_LENGTH_BYTES = 4

#: What commands import when they need it.
_USED = (
    "advice",
    "celery.app.amqp",
    "celery.app.control",
    "entrypoints.cli.follower",
    "entrypoints.cli.display",
    "entrypoints.overview",
    "kombu.transport.redis",
    "sentry_sdk",
    "sqlalchemy.dialects.postgresql.psycopg",
    "tasks.services",
)


class Forks:
    """The process that forks, as its parent sees it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            self._child = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def run(
        self, arguments: list[str], env: Mapping[str, str], seconds: float, folder: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, whatever that is, in a folder."""
        request = json.dumps({"arguments": arguments, "env": dict(env), "folder": str(folder or Path.cwd())}).encode()
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            mine, theirs = socket.socketpair()
            with mine:
                with theirs, self._lock:
                    files = [out.fileno(), err.fileno(), theirs.fileno()]
                    socket.send_fds(self._socket, [len(request).to_bytes(_LENGTH_BYTES)], files)
                    self._socket.sendall(request)
                mine.settimeout(seconds)
                status = _await(mine, [COMMAND, *arguments], seconds)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess([COMMAND, *arguments], status, out.read(), err.read())

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._child.wait(timeout=30)


def _await(answers: socket.socket, command: list[str], seconds: float) -> int:
    """Return the exit status of a fork; kill it if it takes too long."""
    with answers.makefile("r") as lines:
        pid = int(lines.readline())
        try:
            return int(lines.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(command, seconds) from None


@cache
def forks() -> Forks:
    """Return the forks of this process."""
    return Forks()


def close_forks() -> None:
    """End the process that forks, if there is one."""
    if forks.cache_info().currsize:
        forks().close()
        forks.cache_clear()


class _Server:
    """Forks for each request, and tells how each fork ended."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        #: Where to tell how each fork ended.
        self._answers: dict[int, int] = {}
        signal.signal(signal.SIGCHLD, self._reap)

    def serve(self) -> None:
        while True:
            length, files, _, _ = socket.recv_fds(self._requests, _LENGTH_BYTES, 3)
            if not length:
                return
            *streams, answers = files
            request = self._requests.recv(int.from_bytes(length), socket.MSG_WAITALL)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # until the fork is known
            pid = os.fork()
            if not pid:
                self._requests.close()
                for file in (answers, *self._answers.values()):
                    os.close(file)
                _become(json.loads(request), streams)
            self._answers[pid] = answers
            os.write(answers, f"{pid}\n".encode())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            for file in streams:
                os.close(file)

    def _reap(self, *_: object) -> None:
        for pid in list(self._answers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                os.write(self._answers[pid], f"{os.waitstatus_to_exitcode(status)}\n".encode())
                os.close(self._answers.pop(pid))


def _become(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Become the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    for number, file in enumerate(streams, 1):
        os.dup2(file, number)
        os.close(file)
    random.seed()
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    sys.argv = [COMMAND, *request["arguments"]]
    sys.modules["__main__"].__package__ = None  # the program is not the module that forked
    from entrypoints.cli.main import run

    run()
    sys.exit()


def _import_everything() -> None:
    """Import what commands use, but for what reads the environment when it is imported."""
    import entrypoints.cli.commands

    for module in pkgutil.iter_modules(entrypoints.cli.commands.__path__):
        import_module(f"entrypoints.cli.commands.{module.name}")
    for name in _USED:
        import_module(name)
    assert "tasks.application" not in sys.modules, "it would have the settings of the first command for ever"


if __name__ == "__main__":
    _import_everything()
    gc.freeze()
    _Server(socket.socket(fileno=int(sys.argv[1]))).serve()
