"""What a command runs with: the database alone, the gate as well, or workers too."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from settings import read_settings

from ..embedded.processes import terminating
from ..exits import Exit, Failure

if TYPE_CHECKING:
    from tasks.services import Services

#: The embedded worker: five requests of one location, and the same again for what is not waiting for Apple.
THREADS = 10

#: A running worker answers within this, on a busy machine too; the first answer is enough.
_PING_SECONDS = 5.0


class NoWorker(Failure):
    """No worker answers."""


@dataclass(frozen=True, kw_only=True)
class CommandContext:
    """The services, and the embedded worker if this command started one."""

    services: "Services"
    #: The worker that this command started; None where others run.
    worker: "subprocess.Popen[bytes] | None" = None


@contextlib.contextmanager
def with_store() -> Iterator["Services"]:
    """Yield the services for a command that only reads the database."""
    from tasks.services import build, secret_keys

    settings = read_settings()
    secret_keys(settings)
    services = build(settings)
    with contextlib.closing(services.store.database):
        yield services


@contextlib.contextmanager
def with_gate() -> Iterator["Services"]:
    """Yield the services for a command that sends requests to Apple itself."""
    from ..embedded.servers import servers

    settings = read_settings()
    with terminating(), servers(settings, "asking"):
        from tasks.pump import Pump
        from tasks.services import secret_keys, services

        secret_keys(settings)
        services().redis.ping()
        services().use_cases.closings.restore()
        pump = Pump()
        pump.start()
        try:
            yield services()
        finally:
            pump.stop()


@contextlib.contextmanager
def with_workers(threads: int = THREADS) -> Iterator[CommandContext]:
    """Yield the services for a command whose work is done by workers: its own, or those that run."""
    from ..embedded.servers import refuse_full, servers

    settings = read_settings()
    refuse_full(settings)
    with terminating(), servers(settings, "sync", threads=threads) as worker:
        from tasks.services import secret_keys, services

        secret_keys(settings)
        services().redis.ping()
        services().use_cases.closings.restore()
        if worker is None:
            find_workers()
        yield CommandContext(services=services(), worker=worker)


def find_workers() -> None:
    """Ping the workers; raise NoWorker if none answers."""
    from tasks import registered_app

    if not registered_app().control.ping(timeout=_PING_SECONDS, limit=1):
        raise NoWorker(
            "No worker answers: start one with `pageturner worker`, then try again. Nothing is lost.", Exit.AWAY
        )


#: A scheduler whose last tick is no older than this is running.
_TICKING = timedelta(seconds=30)


def wake(services: "Services", uid: str) -> None:
    """Queue a sync of a location instead of waiting for the next tick, if a scheduler runs."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    last = services.store.chores.last().get("tick")
    if last is None or services.store.database.now() - last > _TICKING:
        return
    with contextlib.suppress(RedisError, OperationalError):  # else the next tick does
        services.queue.sync(uid)
