"""Processes that a command starts and takes down again."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

LEASH = Path(__file__).with_name("leash.py")

#: The folder of our packages: started there, `tasks` is ours, whatever the user's folder holds.
ROOT = Path(__file__).resolve().parents[2]

#: A worker that is stopped may finish its tasks within this; then it is killed, and the ledger has the rest.
STOP_SECONDS = 5.0


def start(
    command: list[str], *, log: IO[Any] | int | None, env: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a command that dies with this process, and that the terminal's Ctrl-C does not reach."""
    return subprocess.Popen(  # noqa: S603 - the callers' own commands
        [sys.executable, str(LEASH), str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=None if log == subprocess.PIPE else log,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )


def stop(child: "subprocess.Popen[bytes]", seconds: float = STOP_SECONDS) -> None:
    """Terminate a process; kill it if it takes too long."""
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def worker_command(threads: int, name: str, log_level: str = "INFO") -> list[str]:
    """Return the command that runs one worker process."""
    options = ["--name", name, "--threads", str(threads), "--log-level", log_level]
    return [sys.executable, "-m", "tasks.worker", *options]


def beat_command(log_level: str = "INFO") -> list[str]:
    """Return the command that runs one scheduler."""
    return [sys.executable, "-m", "tasks.beat", "--log-level", log_level]


@contextlib.contextmanager
def terminating() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C for the length of the block, so that what was started is taken down."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
