"""`pageturner worker` and `pageturner beat`: what runs on every host, and what runs once."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from settings import read_settings

from ...embedded import processes
from ...exits import Exit, Failure
from ...terminal import say

_LOOK_SECONDS = 0.5

#: The pause before a worker is started again.
_RESTART_SECONDS = 2.0

#: After this many ends of workers in a row, each this soon after its start, the command ends.
_DEATHS = 5
_YOUNG_SECONDS = 20.0


class LogLevel(StrEnum):
    """The level of the log."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


#: A worker may finish the requests that it waits for: their deadline is a minute.
_STOP_SECONDS = 70.0


def worker(
    process_count: Annotated[int, typer.Option("--processes", min=1, help="Worker processes on this host.")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="Threads in each.")] = 8,
    log_level: Annotated[LogLevel, typer.Option(help="The least level that the workers log.")] = LogLevel.INFO,
) -> None:
    """Run workers until stopped; one that dies is started again.

    Example: pageturner worker --processes 2 --threads 16
    """
    from ...embedded.servers import servers

    settings = read_settings()
    with processes.terminating(), servers(settings, "worker"):
        names = [f"pageturner-{os.getpid()}-{number}" for number in range(process_count)]
        children = {name: _start(name, threads, log_level) for name in names}
        try:
            _keep_up(children, lambda name: _start(name, threads, log_level))
        except KeyboardInterrupt:
            say("Stopping: the requests under way may end.")
        finally:
            _stop_all(list(children.values()))


def beat(log_level: Annotated[LogLevel, typer.Option(help="The least level that is logged.")] = LogLevel.INFO) -> None:
    """Run the scheduler, which queues the syncs that are due. Several schedulers may run at a time.

    Example: pageturner beat
    """
    from ...embedded.servers import join

    settings = read_settings()
    if settings.is_embedded:
        join(settings)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chdir(processes.ROOT)
    # Beat keeps nothing in files: chores are claimed in the database, and two beats may share a home.
    options = ["--scheduler", "celery.beat.Scheduler", "--pidfile", "", "--loglevel", log_level]
    command = [sys.executable, "-m", "celery", "-A", "tasks", "beat", *options]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is what is wanted


def _keep_up(children: dict[str, "subprocess.Popen[bytes]"], start: Callable[[str], "subprocess.Popen[bytes]"]) -> None:
    """Start workers again that end, until they are given up."""
    begun, deaths = dict.fromkeys(children, time.monotonic()), 0
    while True:
        time.sleep(_LOOK_SECONDS)
        for name in [name for name, child in children.items() if child.poll() is not None]:
            deaths = deaths + 1 if time.monotonic() - begun[name] < _YOUNG_SECONDS else 1
            if deaths >= _DEATHS:
                words = f"Workers ended {deaths} times right after their start: what they said above says why."
                raise Failure(words, Exit.FAILED)
            say(f"Worker {name} ended with status {children[name].returncode}: starting it again.")
            time.sleep(_RESTART_SECONDS)
            children[name], begun[name] = start(name), time.monotonic()


def _start(name: str, threads: int, log_level: str) -> "subprocess.Popen[bytes]":
    return processes.start(processes.worker_command(threads, name, log_level), log=None)


def _stop_all(children: list["subprocess.Popen[bytes]"]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    until = time.monotonic() + _STOP_SECONDS
    for child in children:
        processes.stop(child, max(0.1, until - time.monotonic()))
