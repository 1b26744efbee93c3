"""An installation in this process, beside a simulated Apple in this process: a whole sync takes milliseconds."""

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from apple.client import Client
from apple.local import LocalSessions
from apple.resources import RESOURCES
from apple.tokens import parse_token
from orchestration.decisions.timetable import Intervals
from orchestration.gate.local_memory import LocalMemory
from orchestration.memory.process import MemoryProcess, Surroundings, start_process
from orchestration.memory.queue import MemoryBroker
from orchestration.memory.run import run_until_idle
from simulator.catalogue import Size
from simulator.location import SimulatedLocation
from simulator.renderer import Cut
from simulator.server import make_app
from simulator.switches import Switches
from simulator.trouble import DataChange, Fault
from simulator.world import World, make_world
from storage.clock import VirtualClock
from storage.database import Database, open_database
from storage.limits import DEADLINE_SECONDS
from storage.locations import Location
from storage.prepared import Prepared, Row
from storage.sealer import Sealer, make_key
from storage.states import CrawlState
from storage.store import Store
from tests.simulator.local import SMALL
from tests.support.cluster import canonical

#: Seals the tokens of all these places.
KEY = make_key()


class _OwnClock(VirtualClock):
    """A clock in the place of another one: the database is opened once, and each test has a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.own = VirtualClock()

    def now(self) -> datetime:
        """Return the time of the clock that is in use."""
        return self.own.now()


class PausingDatabase(Database):
    """A database that calls a function before and after each of its uses: between two of them, others may use it."""

    pause: Callable[[], None] = staticmethod(lambda: None)
    #: How often it was written to in a transaction.
    writes = 0

    @contextmanager
    def once(self) -> Iterator[sa.Connection]:
        """Yield a connection for one statement."""
        self.pause()
        with super().once() as connection:
            yield connection
        self.pause()

    def fetch(self, statement: Prepared, parameters: Mapping[str, Any]) -> list[Row]:
        """Execute a prepared statement and return its rows."""
        self.pause()
        rows = super().fetch(statement, parameters)
        self.pause()
        return rows

    @contextmanager
    def read(self, seconds: float = DEADLINE_SECONDS) -> Iterator[sa.Connection]:
        """Yield a connection for reading."""
        self.pause()
        with super().read(seconds) as connection:
            yield connection
        self.pause()

    @contextmanager
    def write(self, seconds: float = DEADLINE_SECONDS) -> Iterator[sa.Connection]:
        """Yield a connection for writing."""
        self.pause()
        with super().write(seconds) as connection:
            yield connection
        self.writes += 1
        self.pause()


@cache
def _databases() -> tuple[PausingDatabase, _OwnClock, Any]:
    """Open the database, once a process: what SQLAlchemy has compiled is then compiled once."""
    clock = _OwnClock()
    empty = open_database("sqlite://").engine.raw_connection().driver_connection
    return PausingDatabase("sqlite://", clock), clock, empty


def fresh_database(clock: VirtualClock, pause: Callable[[], None] = lambda: None) -> PausingDatabase:
    """Return the database in memory, with its tables, nothing in them, and this clock."""
    database, place, empty = _databases()
    place.own, database.pause = clock, pause
    raw = database.engine.raw_connection()
    empty.backup(raw.driver_connection)
    raw.close()
    return database


@dataclass(kw_only=True)
class MemoryPlace:
    """One location, at a simulated Apple and at an installation of some processes."""

    world: World
    apple: SimulatedLocation
    around: Surroundings
    processes: list[MemoryProcess]
    location: Location
    dice: random.Random

    @property
    def store(self) -> Store:
        """The store of the installation."""
        return self.around.store

    @property
    def process(self) -> MemoryProcess:
        """The first process."""
        return self.processes[0]

    def run(self) -> None:
        """Work until nothing is left to do."""
        run_until_idle(self.around, self.processes, self.dice)

    def sync(self, *resources: str, full: bool = False) -> int | None:
        """Sync some resources, or all, until nothing is left to do."""
        location = self.store.locations.find(self.location.uid)
        sync_id = self.process.use_cases.syncer.open(location, resources or None, full=full)
        self.run()
        return sync_id

    def change(self, resource: str, **more: Any) -> None:
        """Change the data at Apple, now or right before a later request."""
        change = DataChange(resource=resource, **more)
        if change.at_request is None:
            self.apple.apply([change])
        else:
            self.apple.changes.append(change)

    def break_(self, resource: str, **more: Any) -> None:
        """Have an answer of Apple's go wrong."""
        self.apple.faults.append(Fault(resource=resource, **more))

    def truth(self, resource: str) -> list[str]:
        """Return the records that Apple has."""
        return canonical_records(self.apple.rendering.records(Cut(resource)))

    def mirror(self, resource: str) -> list[str]:
        """Return the records that the mirror has."""
        return canonical_records(self.store.exporter.records(resource, self.location.id))

    def states(self, sync_id: int) -> dict[str, CrawlState]:
        """Return the state of each crawl of a sync, by its resource."""
        return {crawl.resource: crawl.state for crawl in self.store.crawls.of_sync(sync_id)}

    def assert_exact(self, resources: Sequence[str] = tuple(RESOURCES)) -> None:
        """Check that the mirror is what Apple has, and that never six requests were in flight."""
        for resource in resources:
            assert self.mirror(resource) == self.truth(resource), resource
        assert self.apple.traffic.most_in_flight <= 5
        assert self.apple.traffic.most_chained <= 1


def make_place(
    *,
    seed: int = 1,
    size: Size = SMALL,
    processes: int = 1,
    resources: Sequence[str] = tuple(RESOURCES),
    language: str | None = None,
    begun: datetime | None = None,
    **switches: Any,
) -> MemoryPlace:
    """Make a location of a seed, and an installation that keeps it."""
    world = make_world(1, size, seed, Switches(latency=0.0, **switches))
    [apple] = world.locations.values()
    clock = VirtualClock() if begun is None else VirtualClock(begun)
    database = fresh_database(clock)
    around = Surroundings(
        store=Store(database, Sealer([KEY])),
        apple=Client("http://apple", sessions=LocalSessions(make_app(world))),
        memory=LocalMemory(clock),
        broker=MemoryBroker(),
        clock=clock,
        intervals=Intervals(delta={}, full={}, deep={}),
        language=language,
    )
    around.memory.open_epoch()
    started = [start_process(around) for _ in range(processes)]
    organisation = apple.organisation
    token = parse_token(apple.token.encode())
    location = around.store.locations.add(organisation.name, organisation.uid, token, None, list(resources))
    return MemoryPlace(
        world=world, apple=apple, around=around, processes=started, location=location, dice=random.Random(seed)
    )


def canonical_records(records: Iterable[str | bytes]) -> list[str]:
    """Return records so that equal ones are equal texts, in one order."""
    return sorted(canonical(json.loads(record)) for record in records)
