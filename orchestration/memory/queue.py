"""A queue in this process: a broker that all processes share, and a worker that takes one message at a time."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from storage.ledger.crawls import Crawl

from ..decisions.ended import Ended
from ..decisions.retry import Postponed
from ..gate import AlreadyRunning, Gate, Message
from ..gate.client import NAMES
from ..queue import message_id
from ..use_cases import UseCases

#: What a task does; it returns when it must come again, or what it came to.
Task = Callable[..., Postponed | Ended | None]

#: In which order the messages of a location are admitted.
_RANKS = {"sync": 0, "seed": 0, "names": 0, "refresh": 1, "follow": 2, "page": 3}


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message that a worker may take."""

    task: str
    arguments: Sequence[Any] = ()
    #: The id of the message; empty if it does not go through a gate.
    id: str = ""
    #: Whose gate it goes through; empty if through none.
    uid: str = ""
    #: The chord that it is part of, and the crawl that is reconciled when all messages of the chord are done.
    chord: str = ""
    crawl_id: int = 0


@dataclass
class MemoryBroker:
    """What the processes of an installation share."""

    #: Messages that wait for a worker.
    ready: list[Delivery] = field(default_factory=list)
    #: The messages of each chord that are not done yet.
    chords: dict[str, set[str]] = field(default_factory=dict)

    def admit(self, messages: Sequence[Message]) -> None:
        """Queue the messages that a gate admitted."""
        self.ready += [Delivery(**json.loads(message.payload)) for message in messages]

    def note_done(self, delivery: Delivery) -> None:
        """Count a message of a chord; the last one queues the reconcile."""
        left = self.chords.get(delivery.chord)
        if left is None:
            return
        left.discard(delivery.id)
        if not left:
            del self.chords[delivery.chord]
            self.ready.append(Delivery(task="reconcile", arguments=(delivery.crawl_id,)))


class MemoryQueue:
    """Sends tasks for one process."""

    def __init__(self, broker: MemoryBroker, gate: Gate) -> None:
        self._broker = broker
        self._gate = gate

    def sync(self, uid: str) -> None:
        """Send for a location to be synced."""
        self._park(Delivery(task="sync", arguments=(uid,), id=f"sync.{uid}", uid=uid))

    def refresh(self, uid: str) -> None:
        """Send for Apple to be asked about the token of a location."""
        self._park(Delivery(task="refresh", arguments=(uid,), id=f"refresh.{uid}", uid=uid))

    def names(self) -> None:
        """Send for the names that are due to be looked up."""
        self._park(Delivery(task="names", id=NAMES, uid=NAMES))

    def seed(self, crawl: Crawl) -> None:
        """Send for the first page."""
        arguments = (crawl.id, crawl.round)
        self._park(Delivery(task="seed", arguments=arguments, id=message_id(crawl, 0), uid=crawl.uid))

    def round(self, crawl: Crawl, indexes: Sequence[int]) -> None:
        """Send a chord of pages, whose end reconciles the crawl."""
        chord = f"{crawl.id}.{crawl.round}"
        self._broker.chords[chord] = {message_id(crawl, index) for index in indexes}
        for index in indexes:
            arguments, id_ = (crawl.id, crawl.round, index), message_id(crawl, index)
            page = Delivery(task="page", arguments=arguments, id=id_, uid=crawl.uid, chord=chord, crawl_id=crawl.id)
            self._park(page)

    def follow(self, crawl: Crawl, index: int) -> None:
        """Send one step of a chain of cursors."""
        arguments = (crawl.id, crawl.round, index)
        self._park(Delivery(task="follow", arguments=arguments, id=message_id(crawl, index), uid=crawl.uid))

    def reconcile(self, crawl: Crawl) -> None:
        """Send for a decision about what a crawl needs next."""
        self._broker.ready.append(Delivery(task="reconcile", arguments=(crawl.id,)))

    def publish(self, crawl: Crawl) -> None:
        """Send for a settled crawl to be published."""
        self._broker.ready.append(Delivery(task="publish", arguments=(crawl.id,)))

    def do_publishes_wait(self) -> bool:
        """Return whether messages to publish wait for a worker."""
        return any(delivery.task == "publish" for delivery in self._broker.ready)

    def _park(self, delivery: Delivery) -> None:
        message = Message(id=delivery.id, payload=json.dumps(asdict(delivery)))
        self._broker.admit(self._gate.park(delivery.uid, [message], _RANKS[delivery.task]))


class MemoryWorker:
    """Works for one process, as a worker of Celery does with a gated task."""

    def __init__(self, broker: MemoryBroker, gate: Gate, use_cases: UseCases) -> None:
        self._broker = broker
        self._gate = gate
        tasks = use_cases.crawl_tasks
        self._tasks: Mapping[str, Task] = {
            "sync": use_cases.syncer.sync_due,
            "refresh": use_cases.token_checker.refresh,
            "names": use_cases.namer.look_up,
            "seed": tasks.seed,
            "page": tasks.page,
            "follow": tasks.follow,
            "reconcile": tasks.reconcile,
            "publish": tasks.publish,
        }

    def work(self, delivery: Delivery) -> None:
        """Work on a message until it is done, or parked to come again."""
        task = self._tasks[delivery.task]
        if not delivery.uid:
            task(*delivery.arguments)
            return
        self._gate.start(delivery.uid, delivery.id)
        try:
            outcome = task(*delivery.arguments)
        except AlreadyRunning:  # the other execution does the rest of this message
            self._gate.leave(delivery.id)
            return
        if isinstance(outcome, Postponed):
            self._broker.admit(self._gate.park_again(delivery.uid, delivery.id, outcome.seconds))
            return
        self._broker.admit(self._gate.finish(delivery.uid, delivery.id))
        self._broker.note_done(delivery)
