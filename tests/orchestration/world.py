"""A location whose Apple is played by hand: the use cases decide what to read, and what they send is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from apple.answers import pack
from apple.client import Client
from orchestration.crawl import Crawler
from orchestration.crawl_tasks import CrawlTasks
from orchestration.decisions.timetable import Intervals
from orchestration.fetch import Fetcher
from orchestration.gate import Gate
from orchestration.gate.client import GatedClient
from orchestration.gate.closings import GateClosings
from orchestration.gate.limits import ServiceLimits
from orchestration.metrics import Metrics
from orchestration.names import Namer
from orchestration.revival import Reviver
from orchestration.sync import Syncer
from storage.clock import SystemTimer
from storage.database import Database
from storage.ledger.crawls import PAGES_A_SCOPE, Crawl
from storage.ledger.pages import Content, PageFact
from storage.states import CrawlKind, PageOutcome
from tests.support.filled_store import FilledStore, make_store

#: Nothing is asked here; what would be goes nowhere.
_NOWHERE = "http://127.0.0.1:9"


@dataclass
class Sent:
    """What the use cases asked to have done, in order."""

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    do_wait: bool = False

    def sync(self, uid: str) -> None:
        """Keep it."""
        self.calls.append(("sync", (uid,)))

    def refresh(self, uid: str) -> None:
        """Keep it."""
        self.calls.append(("refresh", (uid,)))

    def names(self) -> None:
        """Keep it."""
        self.calls.append(("names", ()))

    def seed(self, crawl: Crawl) -> None:
        """Keep it."""
        self.calls.append(("seed", (crawl.id, crawl.round)))

    def round(self, crawl: Crawl, indexes: Sequence[int]) -> None:
        """Keep it."""
        self.calls.append(("round", (crawl.id, crawl.round, tuple(indexes))))

    def follow(self, crawl: Crawl, index: int) -> None:
        """Keep it."""
        self.calls.append(("follow", (crawl.id, crawl.round, index)))

    def reconcile(self, crawl_id: int) -> None:
        """Keep it."""
        self.calls.append(("reconcile", (crawl_id,)))

    def publish(self, crawl_id: int) -> None:
        """Keep it."""
        self.calls.append(("publish", (crawl_id,)))

    def do_publishes_wait(self) -> bool:
        """Return what the test wants."""
        return self.do_wait

    def count(self, name: str) -> int:
        """Count what was sent of a kind."""
        return [one for one, _ in self.calls].count(name)


@dataclass(kw_only=True)
class UseCases:
    """The use cases over one store, and what they sent."""

    store: FilledStore
    sent: Sent
    crawler: Crawler
    syncer: Syncer
    crawl_tasks: CrawlTasks
    reviver: Reviver


def make_use_cases(database: Database, gate: Gate) -> UseCases:
    """Wire the use cases; what they send is kept."""
    store, sent = make_store(database), Sent()
    metrics, apple = Metrics(), Client(_NOWHERE)
    client = GatedClient(apple, gate, ServiceLimits(apple), GateClosings(gate, store), metrics)
    crawler = Crawler(store, gate, sent, metrics)
    syncer = Syncer(store, crawler, gate, sent, Intervals(delta={}, full={}, deep={}))
    namer = Namer(store, client, sent, metrics, language=None)
    return UseCases(
        store=store,
        sent=sent,
        crawler=crawler,
        syncer=syncer,
        crawl_tasks=CrawlTasks(store, Fetcher(store, client, metrics), crawler, syncer, namer, sent),
        reviver=Reviver(store, crawler, syncer, gate, sent, SystemTimer()),
    )


class World:
    """One location, its assets and their assignments."""

    def __init__(self, database: Database, gate: Gate) -> None:
        self.use_cases = make_use_cases(database, gate)
        self.store = self.use_cases.store
        self.location = self.store.add()
        self.given = {1: ["a", "b"], 2: ["c", "d"]}
        self.moves = 1

    def remove(self, asset: int, serial: str) -> None:
        """Take an assignment away."""
        self.given[asset].remove(serial)
        self.moves += 1

    def open(self, *resources: str) -> int | None:
        """Open a sync, or join it."""
        return self.use_cases.syncer.open(self.store.locations.find("1"), list(resources), full=False)

    def sync(self) -> None:
        """Sync assets and assignments to the end."""
        self.open("assets", "assignments")
        self.read()

    def read(self) -> None:
        """Read what is open of Apple as it is now, until nothing paged is."""
        while paged := [one for one in self.store.unfinished() if not one.is_chained]:
            for crawl in paged:
                self._finish(crawl)

    def chain(self) -> Crawl:
        """Return the chain that is being walked."""
        return next(one for one in self.store.unfinished() if one.is_chained)

    def end_chain(self) -> None:
        """Come to the end of the chain."""
        chain = self.chain()
        self.store.crawls.settle(chain, is_consistent=True, version="s1", total=0)
        self.use_cases.crawl_tasks.publish(chain.id)

    def mirror(self) -> list[tuple[str, str]]:
        """Return what is mirrored of assignments."""
        stream = self.store.stream(self.location, "assignments")
        return sorted((str(one["adamId"]), str(one["serialNumber"])) for one in self.store.mirror(stream))

    def truth(self) -> list[tuple[str, str]]:
        """Return what Apple has."""
        return sorted((str(asset), serial) for asset, serials in self.given.items() for serial in serials)

    def _finish(self, crawl: Crawl) -> None:
        if crawl.kind is CrawlKind.SPOT:
            scopes = tuple(replace(scope, is_consistent=True, total=1) for scope in crawl.scopes)
            for place, scope in enumerate(crawl.scopes):
                self._keep(crawl, place * PAGES_A_SCOPE, self._assignments(int(scope.adam_id)), "spot")
            self.store.crawls.settle(crawl, is_consistent=True, version=None, total=None, scopes=scopes)
        else:
            version = f"{crawl.resource}{self.moves}"
            fact = self._keep(crawl, 0, self._records(crawl), version)
            crawl = self.store.crawls.note_first(crawl, version, 1) or crawl
            if self.use_cases.crawler.end_if_unchanged(crawl, fact):
                self.use_cases.syncer.advance(crawl.sync_id)
                return
            self.store.crawls.settle(crawl, is_consistent=True, version=version, total=1)
        self.use_cases.crawl_tasks.publish(crawl.id)

    def _records(self, crawl: Crawl) -> list[dict[str, Any]]:
        if crawl.resource == "assets":
            plain = {"pricingParam": "STDQ"}
            return [{"adamId": str(one), "assignedCount": len(some), **plain} for one, some in self.given.items()]
        if crawl.kind is CrawlKind.DELTA:
            return []  # removals are in no list of changes
        return [record for asset in self.given for record in self._assignments(asset)]

    def _assignments(self, asset: int) -> list[dict[str, Any]]:
        return [{"adamId": str(asset), "pricingParam": "STDQ", "serialNumber": one} for one in self.given[asset]]

    def _keep(self, crawl: Crawl, index: int, records: list[dict[str, Any]], version: str) -> PageFact:
        body = msgspec.json.encode({"assets" if crawl.resource == "assets" else "assignments": records})
        fact = PageFact(
            index=index,
            round=crawl.round,
            outcome=PageOutcome.STORED,
            version=version,
            total=1,
            size=len(records),
            records=len(records),
        )
        self.store.pages.store(crawl.id, fact, Content(body=pack(body)))
        return fact
