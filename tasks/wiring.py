"""The composition root: builds everything from the settings, once a process."""

import contextlib
import os
import tempfile
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from redis import Redis
from redis.exceptions import RedisError

from apple.client import DEADLINE_SECONDS, Client
from orchestration.crawl import Crawler, Hands, Stores
from orchestration.decisions.timetable import Intervals
from orchestration.fetch import Fetcher, FetchStores
from orchestration.gate import Gate
from orchestration.gate.board import OutageBoard
from orchestration.gate.client import GatedClient
from orchestration.gate.closings import GateClosings
from orchestration.gate.limits import ServiceLimits
from orchestration.gate.refusals import tell
from orchestration.metrics import Metrics
from orchestration.revival import Reviver, ReviveStores
from orchestration.scheduler import Scheduler, TickStores
from orchestration.subscription import Subscriber
from orchestration.sync import Syncer, SyncStores
from orchestration.tokens import TokenChecker
from settings import Settings, WrongSettings, read_settings
from storage.chores import Chores
from storage.closings import Closings
from storage.database import Database, open_database
from storage.errors import DatabaseAway
from storage.ledger.crawls import Crawls
from storage.ledger.orders import Orders
from storage.ledger.pages import Pages
from storage.ledger.progress import Progress
from storage.ledger.streams import Streams
from storage.ledger.syncs import Syncs
from storage.locations import Locations
from storage.mirror.counts import Counts
from storage.mirror.export import Exporter
from storage.mirror.feed import Feed
from storage.mirror.publication import Publisher
from storage.notice_secrets import NoticeSecrets
from storage.notices import Notices
from storage.purge import Purge
from storage.sealer import Sealer, make_key

from .queue import CeleryQueue

_Some = TypeVar("_Some", SyncStores, FetchStores, Stores, ReviveStores, TickStores)

KEY_FILE = "key"

#: No answer of Redis takes this long, but one that comes over a broken connection.
_REDIS_SECONDS = 10.0

#: Renewals come three times in a lease: one that hangs must not cost the others their turn.
_RENEWING_SECONDS = 3.0

#: A database that was away is asked for again after this.
_AGAIN_SECONDS = 1.0

#: Whoever only looks does not wait.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What is remembered."""

    locations: Locations
    streams: Streams
    syncs: Syncs
    crawls: Crawls
    pages: Pages
    counts: Counts
    notices: Notices
    bearers: NoticeSecrets
    rounds: Chores
    feed: Feed
    exporting: Exporter
    progress: Progress
    orders: Orders
    publishing: Publisher
    purging: Purge
    closings: Closings
    clock: Database


@dataclass(frozen=True, kw_only=True)
class Services(_Kept):
    """Everything that a task or a door may need."""

    settings: Settings
    database: Database
    gate: Gate
    memory: GateClosings
    client: Client
    limiting: ServiceLimits
    tally: Metrics
    board: OutageBoard
    asking: GatedClient
    sending: CeleryQueue
    intervals: Intervals
    syncing: Syncer
    crawling: Crawler
    reviving: Reviver
    ticking: Scheduler
    refreshing: TokenChecker
    subscribing: Subscriber


class _Site:
    """Builds this process' services once, however many threads ask for them at its start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._house: Services | None = None
        self._failure: DatabaseAway | None = None
        self._failed_at = 0.0

    def services(self) -> Services:
        """Build it, or give it. A database that was away a moment ago is not waited for by each of them in turn."""
        with self._lock:
            if self._house is None:
                if self._failure is not None and time.monotonic() - self._failed_at < _AGAIN_SECONDS:
                    raise self._failure.with_traceback(None)
                try:
                    self._house = build(read_settings())
                except DatabaseAway as error:
                    self._failure, self._failed_at = error, time.monotonic()
                    raise
            return self._house


_site = _Site()


def services() -> Services:
    """Return this process' services, built on the first call."""
    return _site.services()


def build(settings: Settings) -> Services:
    """Build the services of a process."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.database.startswith("sqlite") and not os.access(settings.home, os.W_OK):
        raise WrongSettings(f"Nothing can be written into {settings.home}: mend its rights, or set PAGETURNER_HOME.")
    database = open_database(settings.database)
    kept = _keep(database, Sealer(_keys_if_any(settings)))
    client = Client(settings.apple_url)
    redis = make_redis(settings)
    renewing = make_redis(settings, _RENEWING_SECONDS)
    gate, tally = Gate(redis, longest_request=DEADLINE_SECONDS, renewing=renewing), Metrics(redis)
    limiting, sending = ServiceLimits(client), CeleryQueue()
    memory = GateClosings(gate, kept.closings, kept.locations, database)
    asking = GatedClient(client, gate, limiting, memory, tally)
    intervals = Intervals(**{kind: settings.intervals(kind) for kind in ("delta", "full", "deep")})
    syncing = Syncer(_choose(SyncStores, kept), gate, sending, intervals)
    fetching = Fetcher(_choose(FetchStores, kept), asking, tally)
    crawling = Crawler(
        _choose(Stores, kept), Hands(fetching=fetching, syncing=syncing, gate=gate, sending=sending, tally=tally)
    )
    return Services(
        **vars(kept),
        settings=settings,
        database=database,
        gate=gate,
        memory=memory,
        client=client,
        limiting=limiting,
        tally=tally,
        board=OutageBoard(redis),
        asking=asking,
        sending=sending,
        intervals=intervals,
        syncing=syncing,
        crawling=crawling,
        reviving=Reviver(_choose(ReviveStores, kept), crawling, syncing, gate, sending),
        ticking=Scheduler(_choose(TickStores, kept), syncing, sending, settings.changes_kept_for),
        refreshing=TokenChecker(kept.locations, asking),
        subscribing=Subscriber(kept.locations, kept.bearers, asking, limiting),
    )


def _keep(database: Database, sealer: Sealer) -> _Kept:
    return _Kept(
        locations=Locations(database, sealer),
        streams=Streams(database),
        syncs=Syncs(database),
        crawls=Crawls(database),
        pages=Pages(database),
        counts=Counts(database),
        notices=Notices(database),
        bearers=NoticeSecrets(database),
        rounds=Chores(database),
        feed=Feed(database),
        exporting=Exporter(database),
        progress=Progress(database),
        orders=Orders(database, sealer),
        publishing=Publisher(database),
        purging=Purge(database),
        closings=Closings(database),
        clock=database,
    )


def _choose(kind: type[_Some], kept: _Kept) -> _Some:
    """Choose what a use case needs of all that is remembered."""
    return kind(**{field.name: getattr(kept, field.name) for field in fields(kind)})


def make_redis(settings: Settings, seconds: float = _REDIS_SECONDS) -> Redis:
    """Connect to the Redis of the gate; an answer is waited for so long."""
    return Redis.from_url(
        settings.redis, socket_timeout=seconds, socket_connect_timeout=seconds, health_check_interval=30
    )


def read_board(settings: Settings) -> dict[str, str]:
    """Give what is away for those who work, as far as Redis answers at once."""
    seconds = _LOOK_SECONDS
    with Redis.from_url(settings.redis, socket_timeout=seconds, socket_connect_timeout=seconds, retry=None) as redis:
        try:
            return OutageBoard(redis).read()
        except RedisError as error:
            return {"Redis": tell(error)}


def secret_keys(settings: Settings) -> list[str]:
    """Give the keys that seal tokens. Embedded, a key is made where there is none; elsewhere that is an error."""
    if settings.keys:
        return settings.keys
    if not settings.is_embedded or settings.database_url is not None:
        raise WrongSettings(
            "PAGETURNER_SECRET_KEYS is not set: it seals the tokens in the database, and all hosts need the same. "
            "Make one with `pageturner key`, and keep it: without it the tokens cannot be opened."
        )
    return [_key_in(settings.home / KEY_FILE)]


def _keys_if_any(settings: Settings) -> list[str]:
    """Give the keys, or none for a part that is trusted with none: it finds out when it wants to open a token."""
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
