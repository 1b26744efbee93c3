"""An installation in this process, beside a simulated Apple in this process: a whole sync takes milliseconds."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from apple.client import Client
from apple.local import LocalSessions
from apple.resources import RESOURCES
from apple.tokens import parse_token
from orchestration.decisions.timetable import Intervals
from orchestration.gate.local_memory import LocalMemory
from orchestration.memory.process import MemoryProcess, Surroundings, start_process
from orchestration.memory.queue import MemoryBroker
from orchestration.memory.run import run_until_idle
from simulator.location import SimulatedLocation
from simulator.organisation import Size
from simulator.renderer import Cut
from simulator.server import make_app
from simulator.switches import Switches
from simulator.trouble import DataChange, Fault
from simulator.world import make_world
from storage.clock import VirtualClock
from storage.database import Database, open_database
from storage.locations import Location
from storage.schema import CrawlState
from storage.sealer import Sealer, make_key
from storage.store import Store
from tests.support.cluster import canonical

#: A handful of pages of everything.
SMALL = Size(
    assets=6,
    assignments=45,
    users=25,
    subscriptions=12,
    subscription_assignments=15,
    subscription_admins=3,
    licenses=25,
    legacy_users=12,
    page_size=10,
)

_KEY = make_key()


class _ResetClock(VirtualClock):
    """The clock of the one database, which begins anew for each test."""

    def reset(self) -> None:
        """Begin anew."""
        self._seconds = 0.0


@cache
def _database() -> tuple[Database, _ResetClock, Any]:
    """Open one database a process: what SQLAlchemy has compiled is then compiled once."""
    clock = _ResetClock()
    empty = open_database("sqlite://").engine.raw_connection().driver_connection
    return Database("sqlite://", clock), clock, empty


def fresh_database() -> tuple[Database, VirtualClock]:
    """Return the database with its tables and nothing in them, and a clock that begins."""
    database, clock, empty = _database()
    clock.reset()
    raw = database.engine.raw_connection()
    empty.backup(raw.driver_connection)
    raw.close()
    return database, clock


@dataclass(kw_only=True)
class MemoryPlace:
    """One location, at a simulated Apple and at an installation of some processes."""

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
        sync_id = self.process.syncer.open(location, resources or None, full=full)
        self.run()
        return sync_id

    def change(self, resource: str, **more: Any) -> None:
        """Change the data at Apple."""
        self.apple.apply([DataChange(resource=resource, **more)])

    def break_(self, resource: str, **more: Any) -> None:
        """Have an answer of Apple's go wrong."""
        self.apple.faults.append(Fault(resource=resource, **more))

    def truth(self, resource: str) -> list[str]:
        """Return the records that Apple has."""
        return _canonical(record.decode() for record in self.apple.rendering.records(Cut(resource)))

    def mirror(self, resource: str) -> list[str]:
        """Return the records that the mirror has."""
        return _canonical(self.store.exporter.records(resource, self.location.id))

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
    **switches: Any,
) -> MemoryPlace:
    """Make a location of a seed, and an installation that keeps it."""
    world = make_world(1, size, seed, Switches(latency=0.0, **switches))
    [apple] = world.locations.values()
    database, clock = fresh_database()
    around = Surroundings(
        store=Store(database, Sealer([_KEY])),
        apple=Client("http://apple", sessions=LocalSessions(make_app(world))),
        memory=LocalMemory(clock),
        broker=MemoryBroker(),
        clock=clock,
        intervals=Intervals(delta={}, full={}, deep={}),
    )
    around.memory.open_epoch()
    started = [start_process(around) for _ in range(processes)]
    started[0].closings.restore()
    organisation = apple.organisation
    token = parse_token(apple.token.encode())
    location = around.store.locations.add(organisation.name, organisation.uid, token, None, list(resources))
    return MemoryPlace(apple=apple, around=around, processes=started, location=location, dice=random.Random(seed))


def _canonical(records: Any) -> list[str]:
    return sorted(canonical(json.loads(record)) for record in records)
