"""The pump: one thread a process that wakes gates and renews what lives here. Nothing depends on beat for that."""

import logging
import sys
import threading
import time
from typing import Any

from celery.signals import task_revoked, worker_ready, worker_shutdown
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from orchestration.gate.gate import RENEWAL_SECONDS

from .gated import GatedTask, publish
from .house import house

log = logging.getLogger(__name__)

#: How often gates are looked at: the grain of a Retry-After.
INTERVAL_SECONDS = 0.25

#: A thread whose answer has come in waits this long for one that computes; Python's own 5 ms are a tenth of a request.
SWITCH_SECONDS = 0.001


class Pump(threading.Thread):
    """Wakes gates until it is stopped."""

    def __init__(self) -> None:
        super().__init__(name="pump", daemon=True)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Turn until stopped. A Redis or a broker that is away is waited for: it is the worker's business to say so."""
        renewed = time.monotonic()
        while not self._stopping.wait(INTERVAL_SECONDS):
            house().limiting.keep_fresh()
            try:
                if time.monotonic() - renewed >= RENEWAL_SECONDS:
                    house().gate.renew()
                    renewed = time.monotonic()
                publish(house().gate.pump())
            except (RedisError, OperationalError, OSError) as error:
                log.warning("The gates could not be looked at (%s).", type(error).__name__)

    def stop(self) -> None:
        """Stop, and wait for the turn under way."""
        self._stopping.set()
        self.join(timeout=5.0)


_pump = Pump()


@worker_ready.connect
def _start(**_: Any) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    house()  # what is wrong with the settings or the database is said now, not by the first task
    _pump.start()


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    if _pump.is_alive():
        _pump.stop()


@task_revoked.connect
def _give_up(sender: Any, request: Any, **_: Any) -> None:
    if isinstance(sender, GatedTask):
        publish(house().gate.finish(request.args[0], request.id))
