"""The composition root: builds everything from the settings, once a process."""

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from redis import Redis

from apple.client import DEADLINE_SECONDS, Client
from orchestration.asking import Asking
from orchestration.crawling import Crawling, Stores
from orchestration.fetching import Fetching, FetchStores
from orchestration.gate import Gate
from orchestration.limiting import Limiting
from orchestration.reviving import ReviveStores, Reviving
from orchestration.syncing import Syncing, SyncStores
from settings import Settings, WrongSettings, read_settings
from storage.counts import Counts
from storage.crawls import Crawls
from storage.database import Database, open_database
from storage.exporting import Exporting
from storage.feed import Feed
from storage.locations import Locations
from storage.orders import Orders
from storage.pages import Pages
from storage.progress import Progress
from storage.publishing import Publishing
from storage.sealing import Sealer, make_key
from storage.streams import Streams
from storage.syncs import Syncs

from .sending import CelerySending

KEY_FILE = "key"

#: No answer of Redis takes this long, but one that comes over a broken connection.
_REDIS_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything that a task or a door may need."""

    settings: Settings
    client: Client
    gate: Gate
    limiting: Limiting
    asking: Asking
    database: Database
    locations: Locations
    streams: Streams
    feed: Feed
    exporting: Exporting
    crawling: Crawling
    reviving: Reviving
    syncing: Syncing
    pages: Pages
    counts: Counts


@cache
def house() -> House:
    """Give this process' house."""
    return build(read_settings())


def build(settings: Settings) -> House:
    """Build a house."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = open_database(settings.database)
    sealer = Sealer(secret_keys(settings))
    redis = make_redis(settings)
    client = Client(settings.apple_url)
    gate = Gate(redis, longest_request=DEADLINE_SECONDS)
    limiting = Limiting(client)
    kept = _Kept(
        locations=Locations(database, sealer),
        streams=Streams(database),
        syncs=Syncs(database),
        crawls=Crawls(database),
        pages=Pages(database),
        counts=Counts(database),
    )
    work = _Work(kept=kept, gate=gate, asking=Asking(client, gate, limiting), sending=CelerySending())
    syncing = work.syncing(Progress(database), settings.full_every)
    crawling = work.crawling(syncing, Orders(database, sealer), Publishing(database))
    return House(
        settings=settings,
        client=client,
        gate=gate,
        limiting=limiting,
        asking=work.asking,
        database=database,
        locations=kept.locations,
        streams=kept.streams,
        feed=Feed(database),
        exporting=Exporting(database),
        crawling=crawling,
        reviving=work.reviving(crawling, syncing),
        syncing=syncing,
        pages=kept.pages,
        counts=kept.counts,
    )


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What is remembered."""

    locations: Locations
    streams: Streams
    syncs: Syncs
    crawls: Crawls
    pages: Pages
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class _Work:
    """Puts the use cases together."""

    kept: _Kept
    gate: Gate
    asking: Asking
    sending: CelerySending

    def syncing(self, progress: Progress, full_every: Mapping[str, timedelta]) -> Syncing:
        stores = SyncStores(**vars(self.kept), progress=progress)
        return Syncing(stores, self.gate, self.sending, full_every)

    def crawling(self, syncing: Syncing, orders: Orders, publishing: Publishing) -> Crawling:
        kept = self.kept
        fetched = FetchStores(locations=kept.locations, crawls=kept.crawls, pages=kept.pages)
        stores = Stores(
            streams=kept.streams,
            crawls=kept.crawls,
            pages=kept.pages,
            counts=kept.counts,
            orders=orders,
            publishing=publishing,
        )
        return Crawling(stores, Fetching(fetched, self.asking), syncing, self.gate, self.sending)

    def reviving(self, crawling: Crawling, syncing: Syncing) -> Reviving:
        stores = ReviveStores(syncs=self.kept.syncs, crawls=self.kept.crawls, pages=self.kept.pages)
        return Reviving(stores, crawling, syncing, self.gate, self.sending)


def make_redis(settings: Settings) -> Redis:
    """Connect to the Redis of the gate."""
    return Redis.from_url(
        settings.redis,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        health_check_interval=30,
    )


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


def _key_in(path: Path) -> str:
    """Read the key of this home; where there is none, one is made, by exactly one of those who look."""
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".key-") as file:  # made with mode 0600
            file.write(make_key() + "\n")
            file.flush()
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(file.name)
    return path.read_text().strip()
