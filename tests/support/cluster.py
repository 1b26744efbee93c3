"""A whole installation: servers, workers, a simulated Apple, and the command line."""

import collections
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from apple.resources import RESOURCES, Paging
from apple.tokens import parse_token
from storage.database import Database, open_database
from storage.ledger.crawls import Crawl
from storage.locations import Locations
from storage.mirror.export import Exporter
from storage.mirror.feed import Change, Feed, Sieve
from storage.sealer import Sealer, make_key

from .filled_store import FilledStore
from .forks import forks
from .processes import COMMAND, LATENCY_MS, Apple, running_simulator, running_workers
from .servers import make_database, open_gates, postgresql_server, redis_server

_PATIENCE_SECONDS = 300

#: What the shape of a crawl is tested with; the other ways of paging have tests of their own.
NUMBERED = tuple(name for name, resource in RESOURCES.items() if resource.paging is Paging.INDEX)

#: Small enough to be quick, and still of forty pages.
SIZE: tuple[str, ...] = ("--assets", "20", "--assignments", "2000", "--users", "200", "--page-size", "50")
SIZE += ("--subscriptions", "120", "--subscription-assignments", "160", "--subscription-admins", "30")
SIZE += ("--licenses", "300", "--legacy-users", "110")


@dataclass(kw_only=True)
class Cluster:
    """What a test may do with an installation."""

    env: dict[str, str]
    apple: Apple
    home: Path
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    _used: int = 0

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, whatever that is."""
        return forks().run(list(arguments), self.env | more, _PATIENCE_SECONDS)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            # What a shell starts in its background ignores Ctrl-C, and so would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        )

    def add(self, *resources: str) -> "Place":
        """Keep a location that no test has used yet, with some resources or those that are read side by side."""
        assert self._used < len(self.apple.locations), "the tests of this process use more locations than there are"
        location = self.apple.locations[self._used]
        self._used += 1
        place = Place(cluster=self, uid=location["uid"], name=f"place-{self._used}")
        with self.database() as database:
            token = parse_token(location["token"].encode())
            self.locations(database).add(place.name, place.uid, token, None, list(resources or NUMBERED))
        return place

    def locations(self, database: Database) -> Locations:
        """Read the locations of the installation."""
        return Locations(database, Sealer([self.env["PAGETURNER_SECRET_KEYS"]]))

    def token_file(self, text: str) -> Path:
        """Write a token as Apple gives it."""
        file = self.home / f"{abs(hash(text))}.vpptoken"
        file.write_text(text + "\n")
        return file

    def log(self) -> str:
        """Read what the workers said."""
        return (self.home / "workers.log").read_text()

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """Open the database of the installation."""
        with contextlib.closing(open_database(self.env["PAGETURNER_DATABASE_URL"])) as database:
            yield database

    @contextlib.contextmanager
    def store(self) -> Iterator[FilledStore]:
        """Open the store of the installation."""
        with self.database() as database:
            yield FilledStore(database, Sealer([]))

    def await_pages(self, count: int, *, of: str | None = None) -> Crawl:
        """Wait until an unfinished crawl, of one resource or any, has this many pages."""
        with self.store() as store:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                for crawl in store.unfinished():
                    if of in {None, crawl.resource} and len(store.pages.facts(crawl.id)) >= count:
                        return crawl
                time.sleep(0.01)
        pytest.fail("no crawl came so far")

    def redis(self) -> Redis:
        """Connect to the Redis of the installation."""
        return Redis.from_url(self.env["PAGETURNER_REDIS_URL"])


@dataclass(frozen=True, kw_only=True)
class Place:
    """One location of an installation, and Apple's side of it."""

    cluster: Cluster
    uid: str
    name: str

    def sync(self, *options: str) -> list[dict[str, Any]]:
        """Sync to a good end, and return the report."""
        done = self.cluster.run("sync", self.name, "--json", *options)
        assert done.returncode == 0, done.stderr
        report: list[dict[str, Any]] = json.loads(done.stdout)
        return report

    def mirror(self, resource: str) -> "collections.Counter[str]":
        """Read the mirror's records, however often each is there."""
        with self.cluster.database() as database:
            location = self.cluster.locations(database).watched([self.name])[0]
            records = Exporter(database).records(resource, location.id)
            return collections.Counter(canonical(json.loads(text)) for text in records)

    def truth(self, resource: str) -> "collections.Counter[str]":
        """Read Apple's records."""
        return collections.Counter(canonical(record) for record in self.cluster.apple.truth(resource, self.uid))

    def changes(self, resource: str) -> list[Change]:
        """Read the feed."""
        with self.cluster.database() as database:
            return [change for change in Feed(database).after(0, Sieve(uids=[self.uid])) if change.resource == resource]

    def status(self) -> dict[str, Any]:
        """Read the status."""
        done = self.cluster.run("status", "--json")
        assert done.returncode == 0, done.stderr
        return next(one for one in json.loads(done.stdout)["locations"] if one["uid"] == self.uid)

    def stream(self, resource: str) -> dict[str, Any]:
        """Read the status of one stream."""
        return next(one for one in self.status()["streams"] if one["resource"] == resource)

    def traffic(self) -> dict[str, Any]:
        """Read what Apple counted."""
        return self.cluster.apple.traffic(self.uid)

    def change(self, **change: Any) -> None:
        """Change Apple's data."""
        self.cluster.apple.change(self.uid, **change)

    def fail(self, *faults: dict[str, Any]) -> None:
        """Script Apple's faults."""
        self.cluster.apple.fail(*faults, uid=self.uid)


def canonical(record: dict[str, Any]) -> str:
    """Write a record so that equal ones are equal texts: a null is the same as no field."""
    return json.dumps({name: value for name, value in record.items() if value is not None}, sort_keys=True)


@contextlib.contextmanager
def bare_cluster(home: Path, *simulator: str, redis: str) -> Iterator[Cluster]:
    """Run an installation without anybody who works, for the length of the block."""
    with postgresql_server() as server, running_simulator(*simulator) as apple:
        env = {name: value for name, value in os.environ.items() if not name.startswith("PAGETURNER_")}
        env |= {
            "PAGETURNER_HOME": str(home / "home"),
            "PAGETURNER_REDIS_URL": redis,
            "PAGETURNER_DATABASE_URL": make_database(server, "cluster"),
            "PAGETURNER_SECRET_KEYS": make_key(),
            "PAGETURNER_APPLE_URL": apple.origin,
        }
        cluster = Cluster(env=env, apple=apple, home=home)
        with cluster.redis() as client:
            open_gates(client)
        yield cluster


@contextlib.contextmanager
def running_cluster(
    home: Path,
    *,
    locations: int = 1,
    size: tuple[str, ...] = SIZE,
    latency: float = LATENCY_MS,
    processes: int = 2,
) -> Iterator[Cluster]:
    """Run an installation for the length of the block."""
    options = ("--locations", str(locations), "--latency", str(latency), *size)
    with (
        redis_server() as redis,
        bare_cluster(home, *options, redis=redis) as cluster,
        running_workers(cluster.env, processes_=processes, threads=8, log=home / "workers.log") as cluster.workers,
    ):
        yield cluster
