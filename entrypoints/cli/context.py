"""The house as a command needs it: with the store alone, with the gate, or with workers as well."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from settings import read_settings

from ..embedded.processes import terminating
from ..embedded.servers import refuse_full, servers
from .exits import Exit, Failure

if TYPE_CHECKING:
    from tasks.wiring import House

#: The embedded worker: five requests of one location, and the same again for what is not waiting for Apple.
THREADS = 10

#: A worker that runs answers within this, on a busy machine too; the first answer is enough.
_PING_SECONDS = 5.0


class NoWorker(Failure):
    """Nobody is there to do the work."""


@dataclass(frozen=True, kw_only=True)
class Living:
    """A house with somebody in it."""

    house: "House"
    #: The worker that this command started; None where others run.
    worker: "subprocess.Popen[bytes] | None" = None


@contextlib.contextmanager
def reading() -> Iterator["House"]:
    """Give a house for a command that only looks into the database."""
    from tasks.wiring import build, secret_keys

    settings = read_settings()
    secret_keys(settings)
    house = build(settings)
    with contextlib.closing(house.database):
        yield house


@contextlib.contextmanager
def asking() -> Iterator["House"]:
    """Give a house for a command that asks Apple something itself."""
    settings = read_settings()
    with terminating(), servers(settings, "asking"):
        from tasks.pump import Pump
        from tasks.wiring import house, secret_keys

        secret_keys(settings)
        house().gate.redis_answers()
        house().memory.restore()
        pump = Pump()
        pump.start()
        try:
            yield house()
        finally:
            pump.stop()


@contextlib.contextmanager
def working(threads: int = THREADS) -> Iterator[Living]:
    """Give a house for a command that has work done by workers, its own or those that run."""
    settings = read_settings()
    refuse_full(settings)
    with terminating(), servers(settings, "sync", threads=threads) as worker:
        from tasks.wiring import house, secret_keys

        secret_keys(settings)
        house().gate.redis_answers()
        house().memory.restore()
        if worker is None:
            find_workers()
        yield Living(house=house(), worker=worker)


def find_workers() -> None:
    """Ask for a sign of life of any worker."""
    from tasks import app

    if not app.control.ping(timeout=_PING_SECONDS, limit=1):
        raise NoWorker(
            "No worker answers: start one with `pageturner worker`, then try again. Nothing is lost.", Exit.AWAY
        )


if TYPE_CHECKING:
    from tasks.wiring import House

#: A clock that ticked so lately goes on to.
_TICKING = timedelta(seconds=30)


def wake(house: "House", uid: str) -> None:
    """Have a location synced now, and not with the next tick; where no clock ticks, nobody has asked for that."""
    last = house.rounds.last().get("tick")
    if last is None or house.database.now() - last > _TICKING:
        return
    with contextlib.suppress(RedisError, OperationalError):  # else the next tick does
        house.sending.sync(uid)
