"""The composition root: builds everything from the settings, once a process."""

import contextlib
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from advice import advised, explain
from apple.client import DEADLINE_SECONDS, Client
from apple.icons import IconServer
from orchestration.alerts import Telling
from orchestration.decisions.alerts import Scarcity
from orchestration.decisions.timetable import Intervals
from orchestration.gate import Gate
from orchestration.gate.board import OutageBoard
from orchestration.gate.redis_memory import RedisMemory
from orchestration.gate.script_redis import ScriptRedis
from orchestration.gate.server import RedisServer
from orchestration.metrics import MetricsStore
from orchestration.queue import TaskQueue
from orchestration.use_cases import Dependencies, UseCases, wire
from settings import APPLE_URL, Settings, WrongSettings, read_settings
from storage.channels import AlertChannel
from storage.clock import SystemTimer
from storage.database import open_database
from storage.errors import DatabaseAway
from storage.sealer import Sealer, make_key
from storage.store import Store

from .queue import CeleryQueue

KEY_FILE = "key"

#: An answer of Redis takes this long only over a broken connection.
_REDIS_SECONDS = 10.0

#: Renewals come three times in a lease: one that hangs must not cost the others their turn.
_RENEWING_SECONDS = 3.0

#: A database that was away is asked for again after this.
_AGAIN_SECONDS = 1.0

#: A read of the board waits no longer than this.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the tasks and doors of a process hold: the use cases, the store to read from, and the servers' state."""

    settings: Settings
    needs: Dependencies
    use_cases: UseCases
    redis: RedisServer
    metrics_store: MetricsStore
    board: OutageBoard

    @property
    def store(self) -> Store:
        """The store."""
        return self.needs.store

    @property
    def gate(self) -> Gate:
        """The gates."""
        return self.needs.gate

    @property
    def queue(self) -> TaskQueue:
        """The queue."""
        return self.needs.queue


class _Builder:
    """Builds this process' services once, however many threads ask for them at its start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._services: Services | None = None
        self._failure: DatabaseAway | None = None
        self._failed_at = 0.0

    def services(self) -> Services:
        """Return the services, built once. After a failure, callers do not wait for the database in turn."""
        with self._lock:
            if self._services is None:
                if self._failure is not None and time.monotonic() - self._failed_at < _AGAIN_SECONDS:
                    raise self._failure.with_traceback(None)
                try:
                    self._services = build(read_settings())
                except DatabaseAway as error:
                    self._failure, self._failed_at = error, time.monotonic()
                    raise
            return self._services


_builder = _Builder()


def services() -> Services:
    """Return this process' services, built on the first call."""
    return _builder.services()


def build(settings: Settings) -> Services:
    """Build the services of a process."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.database.startswith("sqlite") and not os.access(settings.home, os.W_OK):
        raise WrongSettings(f"Nothing can be written into {settings.home}: mend its rights, or set PAGETURNER_HOME.")
    redis = make_redis(settings)
    renewing = make_redis(settings, _RENEWING_SECONDS)
    memory = RedisMemory(redis, renewing=renewing, is_broker=settings.is_redis_broker)
    needs = Dependencies(
        store=Store(open_database(settings.database), Sealer(_keys_if_any(settings))),
        gate=Gate(memory, longest_request=DEADLINE_SECONDS),
        queue=CeleryQueue(),
        apple=Client(settings.apple_url),
        icons=IconServer(None if settings.apple_url == APPLE_URL else settings.apple_url),
        timer=SystemTimer(),
        intervals=Intervals(**{kind: settings.intervals(kind) for kind in ("delta", "full", "deep")}),
        changes_kept=settings.changes_kept_for,
        language=settings.language,
        telling=Telling(
            advise=advised,
            scarcity=Scarcity(least=settings.app_low_least, percent=settings.app_low_percent),
            channels=[
                AlertChannel(name=f"environment-{number}", url=url)
                for number, url in enumerate(settings.notified, start=1)
            ],
        ),
    )
    return Services(
        settings=settings,
        needs=needs,
        use_cases=wire(needs),
        redis=RedisServer(redis),
        metrics_store=MetricsStore(redis),
        board=OutageBoard(redis),
    )


def make_redis(settings: Settings, seconds: float = _REDIS_SECONDS) -> Redis:
    """Connect to the Redis of the gate; an answer is waited for so long."""
    return ScriptRedis.from_url(
        settings.redis, socket_timeout=seconds, socket_connect_timeout=seconds, health_check_interval=30
    )


def read_board(settings: Settings) -> dict[str, str]:
    """Return what is away for workers, by the server's name, if Redis answers at once."""
    try:
        return OutageBoard(_impatient_redis(settings.redis)).read()
    except RedisError as error:
        return {"Redis": explain(error)}


@cache
def _impatient_redis(url: str) -> Redis:
    """Connect to a Redis that must answer soon, once a process: a screen that is watched reads the board on and on."""
    return Redis.from_url(url, socket_timeout=_LOOK_SECONDS, socket_connect_timeout=_LOOK_SECONDS, retry=None)


def secret_keys(settings: Settings) -> list[str]:
    """Return the keys that seal tokens. Embedded, a key is made where there is none; elsewhere that is an error."""
    if settings.keys:
        return settings.keys
    if not settings.is_embedded or settings.database_url is not None:
        raise WrongSettings(
            "PAGETURNER_SECRET_KEYS is not set: it seals the tokens in the database, and all hosts need the same. "
            "Make one with `pageturner key`, and keep it: without it the tokens cannot be opened."
        )
    return [_key_in(settings.home / KEY_FILE)]


def _keys_if_any(settings: Settings) -> list[str]:
    """Return the keys, or none for a process that has none: opening a token fails there."""
    try:
        return secret_keys(settings)
    except WrongSettings:
        return []


def _key_in(path: Path) -> str:
    """Read the key of this home; where there is none, one is made, by exactly one of those who look."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".key-") as file:  # made with mode 0600
            file.write(make_key() + "\n")
            file.flush()
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(file.name)
    return path.read_text().strip()
