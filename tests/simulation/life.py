"""One life, from its seed: what is read, what happens meanwhile, and what must be true afterwards."""

import collections
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from apple.client import Client
from apple.local import LocalSessions
from apple.resources import RESOURCES, Paging
from apple.tokens import parse_token
from orchestration.decisions.timetable import Intervals
from orchestration.gate.local_memory import LocalMemory
from orchestration.memory.process import MemoryProcess, Surroundings, start_process
from orchestration.memory.queue import Delivery, MemoryBroker
from simulator.catalogue import Size
from simulator.location import SimulatedLocation
from simulator.server import make_app
from simulator.switches import Switches
from simulator.trouble import DataChange, Fault
from simulator.world import make_world
from storage.ledger.crawls import Crawl
from storage.locations import Location
from storage.mirror.feed import Change
from storage.sealer import Sealer
from storage.states import CrawlKind, CrawlState, SyncState
from storage.store import Store
from tests.support.memory import KEY, canonical_records, fresh_database
from tests.support.replay import replay

from .scheduler import Scheduler
from .truth import Truth

#: Workers of a process: how many messages it works on side by side.
_SLOTS = 4

_PROCESSES = 2

#: A life that takes more steps, or more virtual time for one sync, is stuck.
_STEPS = 30_000
_STUCK_SECONDS = 4 * 3600.0

#: Shorter than the first wait of an asset whose counts do not agree.
_CALM_SECONDS = 45.0

_RENEWAL_SECONDS = 5.0
_TEND_SECONDS = 5.0

#: What a broker does with the message of a worker that died: it gives it to another after this.
_VISIBILITY_SECONDS = 90.0

#: What may happen at any step of a noisy life, and how often in so many.
_EVENTS = {"change": 40, "duplicate": 25, "lose": 8, "kill": 6, "fault": 12, "forget": 2, "delay": 20}
_OF = 1500

_FAULTS: list[dict[str, Any]] = [
    {"kind": "error", "status": 503, "number": 9603},
    {"kind": "error", "status": 429, "number": 9646, "headers": {"Retry-After": "20"}},
    {"kind": "status", "status": 502},
    {"kind": "lost"},
    {"kind": "truncated"},
    {"kind": "error", "status": 400, "number": 9721},
    {"kind": "error", "status": 400, "number": 9812},
]


@dataclass
class Life:
    """A life and all that is in it."""

    seed: int
    #: False if nothing is to happen but what the caller makes happen.
    is_eventful: bool = True
    dice: random.Random = field(init=False)
    scheduler: Scheduler = field(init=False)
    #: What happened, for whoever looks into a life that went wrong.
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        random.seed(self.seed)  # jitter of waits is part of the life
        self._is_noisy = False
        self.last_sync = 0
        self.dice = random.Random(self.seed)
        self.scheduler = Scheduler(self.dice)
        self.resources = self._choose_resources()
        self.apple, client = self._make_apple()
        self._database = fresh_database(self.scheduler, self._pause)
        self.around = self._make_installation(client)
        self.processes: dict[int, MemoryProcess] = {}
        self._numbers = iter(range(10**9))
        for _ in range(_PROCESSES):
            self._start_process()
        self.location = self._add_location()
        self.truth = Truth(self.apple, self.resources)
        self._later: list[tuple[float, Delivery]] = []
        self._working: dict[int, list[Delivery]] = collections.defaultdict(list)
        self._next_renewal = self._next_tend = 0.0
        self._writes_seen = 0

    def live(self) -> None:
        """Sync a few times while things happen, then once in peace, and check everything."""
        try:
            for _ in range(self.dice.choice([1, 1, 1, 2])):
                self._change_some()
                self._is_noisy = self.is_eventful
                self._sync(full=self.dice.random() < 0.3)
            self._is_noisy = False
            self.apple.faults.clear()
            self._rest()
            self._calm_down()
        finally:
            self.scheduler.end()
        self._check()

    # What is in a life.

    def _choose_resources(self) -> list[str]:
        dice = self.dice
        lists = [
            ["assets", "assignments"],
            ["assignments"],
            ["users"],
            ["licenses"],
            ["legacy-users"],
            ["legacy-assets"],
        ]
        paged = dice.choice(lists)
        chained = [name for name, resource in RESOURCES.items() if resource.paging is Paging.CURSOR]
        return [*paged, *(dice.sample(chained, dice.choice([0, 0, 1])))]

    def _make_apple(self) -> tuple[SimulatedLocation, Client]:
        dice, few = self.dice, lambda: self.dice.randrange(0, 18)
        counts = {name: few() if name in self.resources else 0 for name in RESOURCES}
        size = Size(page_size=dice.choice([4, 5, 7]), **counts | {"assets": dice.randrange(2, 6)})
        switches = Switches(
            latency=0.0,
            beyond_end=dice.choice(["9650", "empty"]),
            first_batch=dice.choice(["inside", "outside"]),
            batch_tokens=dice.choice(["first", "all"]),
            totals=dice.choice(["number", "number", "string", "absent"]),
            empty_pages=dice.choice(["none", "none", "some"]),
            order=dice.choice(["stable", "stable", "versions"]),
            counts=dice.choice(["exact", "exact", "wrong"]),
        )
        world = make_world(1, size, self.seed, switches)
        [apple] = world.locations.values()
        return apple, Client("http://apple", sessions=LocalSessions(make_app(world), self._travel))

    def _make_installation(self, client: Client) -> Surroundings:
        memory = LocalMemory(self.scheduler)
        memory.open_epoch()
        return Surroundings(
            store=Store(self._database, Sealer([KEY])),
            apple=client,
            memory=memory,
            broker=MemoryBroker(),
            clock=self.scheduler,
            intervals=Intervals(delta={}, full={}, deep={}),
        )

    def _add_location(self) -> Location:
        organisation, token = self.apple.organisation, parse_token(self.apple.token.encode())
        return self.around.store.locations.add(organisation.name, organisation.uid, token, None, self.resources)

    def _start_process(self) -> None:
        self.processes[next(self._numbers)] = start_process(self.around)

    # How it goes on.

    def _sync(self, *, full: bool) -> None:
        """Open a sync and live until it has ended."""
        opened: list[int | None] = []
        number, process = self.dice.choice(list(self.processes.items()))
        location = self.around.store.locations.find(self.location.uid)
        self.scheduler.spawn(lambda: opened.append(process.use_cases.syncer.open(location, None, full=full)), number)
        self._until(lambda: self._has_ended(opened))
        self.last_sync = max([self.last_sync, *(one for one in opened if one is not None)])

    def _rest(self) -> None:
        """Read everything in peace, as often as held deletes and torn crawls want it."""
        for _ in range(4):
            self._sync(full=True)
            self._until(lambda: not self.around.store.syncs.open_ones())
            if self._is_exact():
                return

    def _calm_down(self) -> None:
        """Let time pass: where nothing changes, nothing may be requested again and again."""
        for _ in range(2):
            asked, ends = self.apple.traffic.requests, self.scheduler.monotonic() + _CALM_SECONDS
            self._until(partial(self._is_past, ends))
        asked = self.apple.traffic.requests - asked
        assert not asked, self._describe(f"{asked} requests although nothing changes")

    def _is_past(self, moment: float) -> bool:
        return self.scheduler.monotonic() >= moment

    def _has_ended(self, opened: list[int | None]) -> bool:
        if not opened:  # its process may have been killed
            is_lost = not self.scheduler.actors and not self.around.broker.ready
            return is_lost and not self.around.store.syncs.open_ones()
        if opened[0] is None:
            return True
        if self._writes_seen == self._database.writes:  # nothing was written since the last look
            return False
        self._writes_seen = self._database.writes
        return self.around.store.syncs.get(opened[0]).state is SyncState.ENDED

    def _until(self, is_over: Callable[[], bool]) -> None:
        begun = self.scheduler.monotonic()
        for step in range(_STEPS):
            if step % 100 == 0 and is_over():
                return
            if self._is_noisy:
                self._happen()
            if not self._step() and is_over():
                return
            assert self.scheduler.monotonic() - begun < _STUCK_SECONDS, self._describe("is stuck")
        raise AssertionError(self._describe("takes too many steps"))

    def _step(self) -> bool:
        """Do one thing, any of those that may come next; return False if there was none and time passed instead."""
        self._look_after()
        choices: list[Callable[[], None]] = [
            partial(self.scheduler.resume, actor) for actor in self.scheduler.runnable()
        ]
        free = [number for number in self.processes if self._slots(number) < _SLOTS]
        if self.around.broker.ready and free:
            choices.append(partial(self._deliver, free))
        if choices:
            self.dice.choice(choices)()
            return True
        self._pass_time()
        return False

    def _look_after(self) -> None:
        """Do what the pump of each process does."""
        now = self.scheduler.monotonic()
        due = self.around.memory.next_due()
        process = self.dice.choice(list(self.processes.values()))
        if due is not None and due <= now:
            self.around.broker.admit(process.gate.pump())
        if now >= self._next_renewal:
            self._next_renewal = now + _RENEWAL_SECONDS
            for each in self.processes.values():
                each.gate.renew()
        if process.gate.unrestored() is not None:
            process.use_cases.closings.restore()
        if now >= self._next_tend:
            self._next_tend = now + _TEND_SECONDS
            number = self.dice.choice(list(self.processes))
            self.scheduler.spawn(self.processes[number].use_cases.reviver.tend, number)
        arrived = [one for one in self._later if one[0] <= now]
        self._later = [one for one in self._later if one[0] > now]
        self.around.broker.ready += [delivery for _, delivery in arrived]

    def _pass_time(self) -> None:
        """Let time pass to whatever comes next."""
        times = [actor.wakes for actor in self.scheduler.actors]
        times += [at for at, _ in self._later] + [self._next_tend]
        due = self.around.memory.next_due()
        times += [] if due is None else [due]
        self.scheduler.sleep(max(0.001, min(times) - self.scheduler.monotonic()))

    def _slots(self, number: int) -> int:
        return sum(actor.process == number for actor in self.scheduler.actors)

    def _deliver(self, free: list[int]) -> None:
        """Deliver a message to a worker."""
        ready = self.around.broker.ready
        delivery = ready.pop(self.dice.randrange(len(ready)))
        number = self.dice.choice(free)
        self._working[number].append(delivery)

        def work() -> None:
            self.processes[number].worker.work(delivery)
            self._working[number].remove(delivery)

        self.scheduler.spawn(work, number)

    def _pause(self) -> None:
        """Let another actor run between two uses of the database."""
        self.scheduler.pause()

    def _travel(self, hang_up: Callable[[], None]) -> None:
        """Let a request take its time, which is sometimes longer than a lease."""
        slow = self._is_noisy and self.dice.random() < 0.01
        seconds = self.dice.uniform(16.0, 50.0) if slow else self.dice.uniform(0.02, 0.4)
        self.scheduler.travel(seconds, hang_up)

    # What happens meanwhile.

    def _happen(self) -> None:
        place = self.dice.randrange(_OF)
        for name, share in _EVENTS.items():
            place -= share
            if place < 0:
                getattr(self, f"_{name}")()
                return

    def _change_some(self) -> None:
        for _ in range(self.dice.randrange(3)):
            self._change()

    def _change(self) -> None:
        resource = self.dice.choice(self.resources)
        what: dict[str, Any] = self.dice.choice(
            [{"insert": self.dice.randrange(1, 6)}, {"remove": self.dice.randrange(1, 4)}, {"update": 2}]
        )
        if resource == "assets":
            what = self.dice.choice([{"insert": 1}, {"update": 1}, {"remove": 1}])
            if "remove" in what and len(self.apple.organisation.listings["assets"].entries) < 2:
                return
        if resource in {"users", "legacy-users"} and self.dice.random() < 0.3:
            what = {"retire": 1}
            if not self.apple.organisation.listings[resource].entries:
                return
        if resource == "assignments" and "update" in what:
            what = {"insert": 1, "remove": 1}
        where = self.dice.choice(["front", "end", "random"])
        self.apple.apply([DataChange(resource=resource, where=where, **what)])
        together = {"assets", "assignments"}
        changed = together if resource in together else {resource}
        self.truth.note(sorted(changed & set(self.resources)))
        self._log(f"{resource} changed at Apple: {what} at {where}")

    def _duplicate(self) -> None:
        known = [*self.around.broker.ready, *(one for some in self._working.values() for one in some)]
        if known:
            twice = self.dice.choice(known)
            self.around.broker.ready.append(twice)
            self._log(f"{twice.task} {twice.id} is delivered twice")

    def _lose(self) -> None:
        ready = self.around.broker.ready
        if ready:
            lost = ready.pop(self.dice.randrange(len(ready)))
            self._log(f"{lost.task} {lost.id} is lost")

    def _delay(self) -> None:
        ready = self.around.broker.ready
        if ready:
            late = ready.pop(self.dice.randrange(len(ready)))
            self._later.append((self.scheduler.monotonic() + self.dice.uniform(0.1, 40.0), late))

    def _kill(self) -> None:
        self.kill(self.dice.choice(list(self.processes)))

    def kill(self, number: int) -> None:
        """Kill a process, and start another one in its place."""
        self._log(f"process {number} is killed in the middle of {[one.id for one in self._working[number]]}")
        self.scheduler.kill(number)
        del self.processes[number]
        again = self.scheduler.monotonic() + _VISIBILITY_SECONDS
        self._later += [(again, delivery) for delivery in self._working.pop(number, [])]
        self._start_process()

    def _fault(self) -> None:
        resource = self.dice.choice(self.resources)
        fault = self.dice.choice(_FAULTS)
        if fault["kind"] == "lost" and RESOURCES[resource].paging is not Paging.INDEX:
            return  # elsewhere, no list is how Apple says that there is nothing
        self.apple.faults.append(Fault(resource=resource, times=self.dice.choice([1, 1, 3]), **fault))
        self._log(f"{resource} is answered wrongly: {fault}")

    def _forget(self) -> None:
        self.around.memory.forget()
        self._log("the memory of the gates is emptied")

    # What must be true.

    def _is_exact(self) -> bool:
        return all(self._mirror(resource) == self._truth(resource) for resource in self.resources)

    def _check(self) -> None:
        store, traffic = self.around.store, self.apple.traffic
        assert traffic.most_in_flight <= 5, self._describe(f"{traffic.most_in_flight} requests in flight")
        assert traffic.most_chained <= 1, self._describe(f"{traffic.most_chained} requests of a chain")
        changes = list(store.feed.after(0))
        for resource in self.resources:
            mirror = self._mirror(resource)
            assert mirror == self._truth(resource), self._describe(f"{resource} is not what Apple has")
            replayed = replay(one for one in changes if one.resource == resource)
            counted = collections.Counter(mirror)
            assert replayed == counted, self._describe(f"the feed of {resource} is not its mirror")
        try:
            self.truth.check(changes)
        except AssertionError as error:
            raise AssertionError(self._describe(str(error))) from None
        self._check_versions(changes)
        assert not store.syncs.open_ones(), self._describe("a sync is still open")

    def _check_versions(self, changes: list[Change]) -> None:
        """Check that the mirror had everything of each version that was noted.

        A torn crawl may have missed records that no delta shows. So deltas count as far as they go back to a consistent
        full crawl, each from the version that the one before had noted.
        """
        noted: dict[str, str | None] = {}
        begins: set[str | None] = set()
        for crawl in sorted(self._crawls(), key=lambda one: one.id):
            if crawl.kind is CrawlKind.DELTA and not RESOURCES[crawl.resource].is_legacy:
                told = f"delta crawl {crawl.id} begins at {crawl.since}, which nobody noted"
                assert crawl.since in {noted.get(crawl.resource)} | begins, self._describe(told)
            begins.add(crawl.base_version)
            is_full = crawl.kind is CrawlKind.FULL
            if not crawl.is_consistent or crawl.state is not CrawlState.PUBLISHED or crawl.kind is CrawlKind.SPOT:
                continue
            if RESOURCES[crawl.resource].is_legacy or not (is_full or noted.get(crawl.resource, "") == crawl.since):
                continue
            noted[crawl.resource] = crawl.version or crawl.since
            mine = [one for one in changes if one.resource == crawl.resource and one.crawl <= crawl.id]
            snapshot = self.truth.snapshots[crawl.resource, noted[crawl.resource] or ""]
            missing = snapshot - set(replay(one for one in mine if "retired" not in one.key))
            told = f"{crawl.kind} crawl {crawl.id} noted {crawl.version}, and {len(missing)} records are missing"
            assert not missing, self._describe(told)

    def _crawls(self) -> list[Crawl]:
        syncs = range(1, 1 + (self.last_sync or 0))
        return [crawl for sync_id in syncs for crawl in self.around.store.crawls.of_sync(sync_id)]

    def _mirror(self, resource: str) -> list[str]:
        return canonical_records(self.around.store.exporter.records(resource, self.location.id))

    def _truth(self, resource: str) -> list[str]:
        return self.truth.records(resource)

    def _log(self, words: str) -> None:
        self.log.append(f"{self.scheduler.monotonic():9.3f}  {words}")

    def _describe(self, words: str) -> str:
        told = "\n".join(self.log[-60:])
        return f"Seed {self.seed} ({', '.join(self.resources)}): {words}.\n{told}"


def live(seed: int) -> Life:
    """Live the life of a seed."""
    life = Life(seed)
    life.live()
    return life
