"""The pump: one thread a process that admits messages whose time has come, and renews the permits of this process."""

import contextlib
import logging
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery.exceptions import WorkerShutdown
from celery.signals import celeryd_init, task_postrun, task_prerun, task_revoked, worker_ready, worker_shutdown
from redis.exceptions import RedisError

from advice import explain
from orchestration.gate.gate import RENEWAL_SECONDS
from settings import WrongSettings, read_settings
from storage.errors import DatabaseAway, StorageError

from .attention import Attention
from .events import EventSwitch
from .gated import GatedTask, publish
from .heap import share_heap
from .outages import AWAY, outages
from .services import secret_keys, services

log = logging.getLogger(__name__)

#: How often gates are looked at: the grain of a Retry-After.
INTERVAL_SECONDS = 0.25

#: How often counts are sent to Redis.
COUNT_SECONDS = 5.0

#: A task that asks Apple and takes longer hangs: a request takes a minute at most, a use of the database half of one,
#: and the publish of a small crawl two.
HANGING_SECONDS = 240.0

#: How often to check whether Apple's limits are due to be read again.
LIMITS_SECONDS = 1.0

#: Clocks further apart than this are logged.
SKEW_SECONDS = 3.0

#: A thread whose answer has come in waits this long for one that computes; Python's own 5 ms are a tenth of a request.
SWITCH_SECONDS = 0.001


class Pump(threading.Thread):
    """Wakes gates until it is stopped."""

    def __init__(self, heartbeat: Path | None = None) -> None:
        super().__init__(name="pump", daemon=True)
        self._heartbeat = heartbeat
        self._stopping = threading.Event()
        self._counted = time.monotonic()

    def run(self) -> None:
        """Run until stopped, whatever fails: a process without its pump would lose its permits."""
        for keep in (self._keep_limits, self._keep_permits):
            threading.Thread(target=keep, name=keep.__name__.strip("_"), daemon=True).start()
        while not self._stopping.wait(INTERVAL_SECONDS):
            try:
                self._turn()
            except (*AWAY, OSError) as error:
                outages.note(error)
            except Exception:  # the outermost handler of this thread
                log.exception("A turn of the pump failed.")
        with contextlib.suppress(RedisError, DatabaseAway):
            services().metrics_store.add(services().use_cases.metrics)
        if self._heartbeat is not None:
            self._heartbeat.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop, and wait for the turn under way."""
        self._stopping.set()
        self.join(timeout=5.0)

    def _turn(self) -> None:
        services().use_cases.closings.restore()
        publish(services().gate.pump())
        if time.monotonic() - self._counted >= COUNT_SECONDS:
            self._counted = time.monotonic()
            services().metrics_store.add(services().use_cases.metrics)
            outages.look()
            services().board.write(outages.words())

    def _keep_permits(self) -> None:
        """Renew the permits and tasks of this process, in a thread of its own that waits for nothing else."""
        while not self._stopping.wait(RENEWAL_SECONDS):
            try:
                services().gate.renew()
                self._live()
            except (*AWAY, OSError) as error:
                outages.note(error)
            except Exception:  # the outermost handler of this thread
                log.exception("The permits of this process could not be renewed.")

    def _live(self) -> None:
        """Touch the heartbeat file that `pageturner alive` checks, unless a task hangs."""
        if self._heartbeat is not None and not hanging():
            self._heartbeat.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._heartbeat.touch()

    def _keep_limits(self) -> None:
        """Keep Apple's limits fresh, in a thread of its own: Apple may take a minute to name them."""
        while not self._stopping.wait(LIMITS_SECONDS):
            with contextlib.suppress(DatabaseAway):
                services().use_cases.limits.keep_fresh()


_running: dict[str, float] = {}


@task_prerun.connect
def _begin(task_id: str, task: Any, **_: Any) -> None:
    if isinstance(task, GatedTask):  # all other tasks may take as long as they need
        _running[task_id] = time.monotonic()


@task_postrun.connect
def _end(task_id: str, **_: Any) -> None:
    _running.pop(task_id, None)


def hanging() -> list[str]:
    """Name the tasks of this process that take longer than any may."""
    until = time.monotonic() - HANGING_SECONDS
    return [name for name, since in list(_running.items()) if since < until]


#: What watches something for this worker, once it is ready.
_watching: list[Attention | EventSwitch] = []
_pump = Pump(read_settings().heartbeats / str(os.getpid()))


@celeryd_init.connect
def _prepare(**_: Any) -> None:
    share_heap()


@worker_ready.connect
def _start(sender: Any, **_: Any) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    _pump.start()
    _watching.extend([Attention(sender, lambda: services().store.database), EventSwitch(sender)])
    for one in _watching:
        one.start()
    try:
        secret_keys(read_settings())
        services().store.feed.recognise()
        _compare_clocks()  # errors of the settings or the database are reported now, not by the first task
    except DatabaseAway as error:
        log.warning("%s Waiting for it.", explain(error))
    except (StorageError, WrongSettings) as error:
        log.critical("%s", explain(error))
        raise WorkerShutdown(1) from None


def _compare_clocks() -> None:
    ahead = (datetime.now(UTC) - services().store.database.now()).total_seconds()
    if abs(ahead) > SKEW_SECONDS:
        words = "The clock of this host is %.0f s %s the database's: it is not used, but run NTP all the same."
        log.warning(words, abs(ahead), "ahead of" if ahead > 0 else "behind")


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    for one in _watching:
        one.stop()
    if _pump.is_alive():
        _pump.stop()


@task_revoked.connect
def _give_up(sender: Any, request: Any, **_: Any) -> None:
    if isinstance(sender, GatedTask):
        publish(services().gate.finish(request.args[0], request.id))
