"""The queue on Celery: a chord of pages, and every other message by its computed id."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from orchestration.gate.client import NAMES
from orchestration.queue import message_id
from storage.ledger.crawls import Crawl
from storage.states import CrawlKind

if TYPE_CHECKING:
    from celery import Task


class CeleryQueue:
    """Sends the tasks that the use cases ask for. Celery is imported by the first of them."""

    @cached_property
    def _tasks(self) -> "Mapping[str, Task]":
        from . import registered_app

        tasks: Mapping[str, Task] = registered_app().tasks
        return tasks

    def sync(self, uid: str) -> None:
        """Send for a location to be synced: one message, however often it is sent before its task begins."""
        self._tasks["pageturner.sync"].apply_async((uid,), task_id=f"sync.{uid}")

    def refresh(self, uid: str) -> None:
        """Send for Apple to be asked about the token of a location."""
        self._tasks["pageturner.refresh"].apply_async((uid,), task_id=f"refresh.{uid}")

    def names(self) -> None:
        """Send for the names that are due to be looked up: one message, however often it is sent."""
        self._tasks["pageturner.names"].apply_async((NAMES,), task_id=NAMES)

    def seed(self, crawl: Crawl) -> None:
        """Send for the first page."""
        arguments = (crawl.uid, crawl.id, crawl.round)
        self._tasks["pageturner.seed"].apply_async(arguments, task_id=message_id(crawl, 0), argsrepr=told(crawl, 0))

    def round(self, crawl: Crawl, indexes: Sequence[int]) -> None:
        """Send a chord of pages; its callback, and its failure, reconcile the crawl."""
        from celery import chord

        from .crowd import crowded
        from .parts import Part

        page, reconcile = self._tasks["pageturner.page"], self._tasks["pageturner.reconcile"]
        header = [
            Part.of(page, (crawl.uid, crawl.id, crawl.round, index), message_id(crawl, index), told(crawl, index))
            for index in indexes
        ]
        body = reconcile.si(crawl.id).set(argsrepr=_named(crawl)).on_error(reconcile.si(crawl.id))
        with crowded():
            chord(header, body).set(task_id=f"{crawl.id}.{crawl.round}").apply_async()

    def follow(self, crawl: Crawl, index: int) -> None:
        """Send one step of a chain of cursors."""
        arguments = (crawl.uid, crawl.id, crawl.round, index)
        self._tasks["pageturner.follow"].apply_async(
            arguments, task_id=message_id(crawl, index), argsrepr=told(crawl, index)
        )

    def reconcile(self, crawl: Crawl) -> None:
        """Send for a decision about what a crawl needs next."""
        self._tasks["pageturner.reconcile"].apply_async((crawl.id,), argsrepr=_named(crawl))

    def publish(self, crawl: Crawl) -> None:
        """Send for a settled crawl to be published."""
        self._tasks["pageturner.publish"].apply_async((crawl.id,), argsrepr=_named(crawl))

    def do_publishes_wait(self) -> bool:
        """Return whether messages to publish wait for a worker; True also if the broker does not answer."""
        return depths().get("publish", 1) > 0


def told(crawl: Crawl, index: int) -> str:
    """Return what Flower shows of a page's task: its location, its list, and which page of how many it is."""
    if index < 0 or crawl.kind != CrawlKind.FULL:
        return f"{_named(crawl)} {crawl.kind}, page {index}"
    return f"{_named(crawl)} page {index + 1}" + ("" if crawl.total is None else f" of {crawl.total}")


def _named(crawl: Crawl) -> str:
    return f"{crawl.name} {crawl.resource}"


#: Monitoring does not wait for a broker that does not answer.
_SECONDS = 3.0


def depths() -> dict[str, int]:
    """Count the messages that no worker has taken yet, by queue; nothing where the broker is away."""
    from kombu.exceptions import OperationalError

    from . import registered_app

    app, counts = registered_app(), {}
    connection = app.connection_for_read(connect_timeout=_SECONDS)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, timeout=_SECONDS)
            for name, queue in app.amqp.queues.items():
                counts[name] = queue(connection.default_channel).queue_declare().message_count
    except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors):
        return {}
    return counts
