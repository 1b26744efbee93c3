"""`pageturner worker` and `pageturner beat`: what runs on every host, and what runs once."""

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from settings import read_settings

from ...embedded import processes
from ...embedded.supervisor import SupervisedPart, Supervisor
from ...terminal import say


class LogLevel(StrEnum):
    """The level of the log."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


#: A worker may finish the requests that it waits for: their deadline is a minute.
STOP_SECONDS = 70.0


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
        supervisor = Supervisor(worker_parts(process_count, threads, log_level))
        try:
            supervisor.run()
        except KeyboardInterrupt:
            say("Stopping: the requests under way may end.")
        finally:
            supervisor.stop(STOP_SECONDS)


def worker_parts(process_count: int, threads: int, log_level: str) -> list[SupervisedPart]:
    """Return the workers of this host, each with a name of its own."""
    names = (f"pageturner-{os.getpid()}-{number}" for number in range(process_count))
    return [
        SupervisedPart(name=f"Worker {name}", command=processes.worker_command(threads, name, log_level))
        for name in names
    ]


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
    os.execv(sys.executable, processes.beat_command(log_level))  # noqa: S606 - no shell is what is wanted
