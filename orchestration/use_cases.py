"""The use cases, wired to what they need: to Redis, Celery and Apple in production, and to their twins in memory."""

from dataclasses import dataclass, field
from datetime import timedelta

from apple.client import Client
from apple.icons import IconServer
from storage.clock import Timer
from storage.store import Store

from .alerts import Teller, Telling
from .crawl import Crawler
from .crawl_tasks import CrawlTasks
from .decisions.timetable import Intervals
from .fetch import Fetcher
from .gate import Gate
from .gate.client import GatedClient
from .gate.closings import GateClosings
from .gate.limits import ServiceLimits
from .hook_client import post
from .hooks import HookSender, Post
from .icons import IconKeeper
from .metrics import Metrics
from .names import Namer
from .queue import TaskQueue
from .revival import Reviver
from .scheduler import Scheduler
from .subscription import Subscriber
from .sync import Syncer
from .tokens import TokenChecker


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """What the use cases need, and how often they are to read."""

    store: Store
    gate: Gate
    queue: TaskQueue
    apple: Client
    timer: Timer
    intervals: Intervals
    #: How long changes are kept in the feed; None for ever.
    changes_kept: timedelta | None = None
    #: The language in which apps are named; None where no names are looked up.
    language: str | None = None
    #: How people are told what they have to know, and programs what changed.
    telling: Telling = field(default_factory=Telling)
    post: Post = post
    icons: IconServer = field(default_factory=IconServer)


@dataclass(frozen=True, kw_only=True)
class UseCases:
    """The use cases of a process: all that tasks and doors call."""

    crawl_tasks: CrawlTasks
    syncer: Syncer
    reviver: Reviver
    scheduler: Scheduler
    token_checker: TokenChecker
    namer: Namer
    teller: Teller
    hook_sender: HookSender
    subscriber: Subscriber
    client: GatedClient
    closings: GateClosings
    limits: ServiceLimits
    metrics: Metrics
    icon_keeper: IconKeeper


def wire(needs: Dependencies) -> UseCases:
    """Wire the use cases of one process."""
    store, gate, queue, metrics = needs.store, needs.gate, needs.queue, Metrics()
    closings, limits = GateClosings(gate, store, needs.timer), ServiceLimits(needs.apple, needs.timer)
    client = GatedClient(needs.apple, gate, limits, closings, metrics)
    crawler = Crawler(store, gate, queue, metrics)
    syncer = Syncer(store, crawler, gate, queue, needs.intervals)
    namer = Namer(store, client, queue, metrics, needs.language)
    return UseCases(
        crawl_tasks=CrawlTasks(store, Fetcher(store, client, metrics), crawler, syncer, namer, queue),
        syncer=syncer,
        reviver=Reviver(store, crawler, syncer, gate, queue, needs.timer),
        scheduler=Scheduler(store, queue, namer, needs.changes_kept),
        token_checker=TokenChecker(store, client),
        namer=namer,
        teller=Teller(store, needs.intervals, needs.telling, metrics),
        hook_sender=HookSender(store, needs.post, metrics),
        subscriber=Subscriber(store, client, limits),
        client=client,
        closings=closings,
        limits=limits,
        metrics=metrics,
        icon_keeper=IconKeeper(store, needs.icons),
    )
