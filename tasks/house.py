"""The composition root: builds everything from the settings, once a process."""

import contextlib
import tempfile
from dataclasses import dataclass
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
    asking = Asking(client, gate, limiting)
    locations, streams, crawls = Locations(database, sealer), Streams(database), Crawls(database)
    pages, syncs, counts, sending = Pages(database), Syncs(database), Counts(database), CelerySending()
    stores = Stores(
        streams=streams,
        crawls=crawls,
        pages=pages,
        orders=Orders(database, sealer),
        publishing=Publishing(database),
    )
    sync_stores = SyncStores(
        locations=locations,
        streams=streams,
        syncs=syncs,
        crawls=crawls,
        pages=pages,
        counts=counts,
        progress=Progress(database),
    )
    syncing = Syncing(sync_stores, gate, sending, settings.full_every)
    fetching = Fetching(FetchStores(locations=locations, crawls=crawls, pages=pages), asking)
    crawling = Crawling(stores, fetching, syncing, gate, sending)
    tended = ReviveStores(syncs=syncs, crawls=crawls, pages=pages)
    return House(
        settings=settings,
        client=client,
        gate=gate,
        limiting=limiting,
        asking=asking,
        database=database,
        locations=locations,
        streams=streams,
        feed=Feed(database),
        exporting=Exporting(database),
        crawling=crawling,
        reviving=Reviving(tended, crawling, syncing, gate, sending),
        syncing=syncing,
        pages=pages,
        counts=counts,
    )


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
