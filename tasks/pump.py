"""The pump: one thread a process that wakes gates and renews what lives here. Nothing depends on beat for that."""

import contextlib
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from celery.exceptions import WorkerShutdown
from celery.signals import task_revoked, worker_ready, worker_shutdown
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from orchestration.gate.gate import RENEWAL_SECONDS
from settings import Settings, WrongSettings, read_settings
from storage.errors import DatabaseAway, StorageError

from .gated import GatedTask, publish
from .house import house

log = logging.getLogger(__name__)

#: How often gates are looked at: the grain of a Retry-After.
INTERVAL_SECONDS = 0.25

#: How often it is looked whether Apple's limits are due to be read again.
LIMITS_SECONDS = 1.0

#: A thread whose answer has come in waits this long for one that computes; Python's own 5 ms are a tenth of a request.
SWITCH_SECONDS = 0.001


def sign_of_life(settings: Settings) -> Path:
    """Tell where workers leave their signs of life."""
    return settings.home / "alive"


class Pump(threading.Thread):
    """Wakes gates until it is stopped."""

    def __init__(self, sign: Path | None = None) -> None:
        super().__init__(name="pump", daemon=True)
        self._sign = sign
        self._stopping = threading.Event()
        self._renewed = time.monotonic()
        self._trouble = ""

    def run(self) -> None:
        """Turn until stopped, whatever goes wrong: a process without its pump would lose the permits that it holds."""
        threading.Thread(target=self._keep_limits, name="limits", daemon=True).start()
        while not self._stopping.wait(INTERVAL_SECONDS):
            try:
                self._turn()
                self._note("")
            except (RedisError, OperationalError, OSError, DatabaseAway) as error:
                self._note(type(error).__name__)
            except Exception:  # the outer rim of this thread
                log.exception("The pump stumbled.")
        with contextlib.suppress(RedisError, DatabaseAway):
            house().tally.flush()
        if self._sign is not None:
            self._sign.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop, and wait for the turn under way."""
        self._stopping.set()
        self.join(timeout=5.0)

    def _note(self, trouble: str) -> None:
        """Say that the gates cannot be looked at, or can be again: once, not four times a second."""
        if trouble and not self._trouble:
            log.warning("The gates cannot be looked at (%s): Redis or the broker is away. Trying on.", trouble)
        elif self._trouble and not trouble:
            log.warning("The gates can be looked at again.")
        self._trouble = trouble

    def _turn(self) -> None:
        if time.monotonic() - self._renewed >= RENEWAL_SECONDS:
            house().gate.renew()
            self._renewed = time.monotonic()
            house().tally.flush()
            self._live()
        publish(house().gate.pump())

    def _live(self) -> None:
        """Leave a sign of life: who looks for it sees whether this process only seems to run."""
        if self._sign is not None:
            self._sign.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sign.touch()

    def _keep_limits(self) -> None:
        """Keep Apple's limits fresh, in a thread of its own: Apple may take a minute to name them."""
        while not self._stopping.wait(LIMITS_SECONDS):
            with contextlib.suppress(DatabaseAway):
                house().limiting.keep_fresh()


_pump = Pump(sign_of_life(read_settings()) / str(os.getpid()))


@worker_ready.connect
def _start(**_: Any) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    _pump.start()
    try:
        house()  # what is wrong with the settings or the database is said now, not by the first task
    except DatabaseAway as error:
        log.warning("%s It is waited for.", error)
    except (StorageError, WrongSettings) as error:
        log.critical("%s", error)
        raise WorkerShutdown(1) from None


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    if _pump.is_alive():
        _pump.stop()


@task_revoked.connect
def _give_up(sender: Any, request: Any, **_: Any) -> None:
    if isinstance(sender, GatedTask):
        publish(house().gate.finish(request.args[0], request.id))
