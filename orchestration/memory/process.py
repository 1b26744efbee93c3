"""One process of an installation in memory: the use cases of production, wired to the twins."""

from dataclasses import dataclass

from apple.client import Client
from storage.clock import VirtualClock
from storage.store import Store

from ..crawl import Crawler
from ..crawl_tasks import CrawlTasks
from ..decisions.timetable import Intervals
from ..fetch import Fetcher
from ..gate import Gate
from ..gate.client import GatedClient
from ..gate.closings import GateClosings
from ..gate.limits import ServiceLimits
from ..gate.local_memory import LocalMemory
from ..metrics import Metrics
from ..revival import Reviver
from ..scheduler import Scheduler
from ..sync import Syncer
from ..tokens import TokenChecker
from .queue import MemoryBroker, MemoryQueue, MemoryWorker

#: No request takes longer in virtual time.
_LONGEST_REQUEST = 60.0


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the processes of an installation share."""

    store: Store
    apple: Client
    memory: LocalMemory
    broker: MemoryBroker
    clock: VirtualClock
    intervals: Intervals


@dataclass(frozen=True, kw_only=True)
class MemoryProcess:
    """The use cases of one process, and its worker."""

    gate: Gate
    closings: GateClosings
    queue: MemoryQueue
    crawler: Crawler
    crawl_tasks: CrawlTasks
    syncer: Syncer
    reviver: Reviver
    scheduler: Scheduler
    token_checker: TokenChecker
    worker: MemoryWorker


def start_process(around: Surroundings) -> MemoryProcess:
    """Wire the use cases of a process that has just started: it holds no permit and runs no task."""
    store, metrics = around.store, Metrics()
    gate = Gate(around.memory, longest_request=_LONGEST_REQUEST, timer=around.clock)
    closings = GateClosings(gate, store, around.clock)
    closings.restore()
    limits = ServiceLimits(around.apple, around.clock)
    limits.keep_fresh()
    client = GatedClient(around.apple, gate, limits, closings, metrics)
    queue = MemoryQueue(around.broker, gate)
    crawler = Crawler(store, gate, queue, metrics)
    syncer = Syncer(store, crawler, gate, queue, around.intervals)
    crawl_tasks = CrawlTasks(store, Fetcher(store, client, metrics), crawler, syncer, queue)
    token_checker = TokenChecker(store, client)
    worker = MemoryWorker(
        around.broker,
        gate,
        {
            "sync": syncer.sync_due,
            "refresh": token_checker.refresh,
            "seed": crawl_tasks.seed,
            "page": crawl_tasks.page,
            "follow": crawl_tasks.follow,
            "reconcile": crawl_tasks.reconcile,
            "publish": crawl_tasks.publish,
        },
    )
    return MemoryProcess(
        gate=gate,
        closings=closings,
        queue=queue,
        crawler=crawler,
        crawl_tasks=crawl_tasks,
        syncer=syncer,
        reviver=Reviver(store, crawler, syncer, gate, queue),
        scheduler=Scheduler(store, queue),
        token_checker=token_checker,
        worker=worker,
    )
