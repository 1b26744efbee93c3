"""Sending work by Celery: the chord of pages, and everything else by its computed id."""

from collections.abc import Sequence

from celery import chord
from kombu.exceptions import OperationalError

from orchestration.queue import message_id

from .application import app


class CeleryQueue:
    """Sends the tasks that the use cases ask for."""

    def sync(self, location: str) -> None:
        """Have a location synced, if anything of it is due: once, however often it is sent before it begins."""
        app.tasks["pageturner.sync"].apply_async((location,), task_id=f"sync.{location}")

    def refresh(self, location: str) -> None:
        """Have Apple asked whose token a location's is, how long it lives, and where notices go."""
        app.tasks["pageturner.refresh"].apply_async((location,), task_id=f"refresh.{location}")

    def seed(self, location: str, crawl_id: int, round_: int) -> None:
        """Have the first page fetched."""
        app.tasks["pageturner.seed"].apply_async((location, crawl_id, round_), task_id=message_id(crawl_id, round_, 0))

    def round(self, location: str, crawl_id: int, round_: int, indexes: Sequence[int]) -> None:
        """Have a chord of pages fetched; its callback, and its failure, reconcile."""
        page, reconcile = app.tasks["pageturner.page"], app.tasks["pageturner.reconcile"]
        header = [
            page.si(location, crawl_id, round_, index).set(task_id=message_id(crawl_id, round_, index))
            for index in indexes
        ]
        body = reconcile.si(crawl_id).on_error(reconcile.si(crawl_id))
        chord(header, body).set(task_id=f"{crawl_id}.{round_}").apply_async()

    def follow(self, location: str, crawl_id: int, round_: int, index: int) -> None:
        """Have one step of a chain of cursors taken."""
        task_id = message_id(crawl_id, round_, index)
        app.tasks["pageturner.follow"].apply_async((location, crawl_id, round_, index), task_id=task_id)

    def reconcile(self, crawl_id: int) -> None:
        """Have decided what a crawl needs next."""
        app.tasks["pageturner.reconcile"].apply_async((crawl_id,))

    def publish(self, crawl_id: int) -> None:
        """Have a settled crawl published."""
        app.tasks["pageturner.publish"].apply_async((crawl_id,))

    def do_publishes_wait(self) -> bool:
        """Tell whether messages to publish wait for a worker, or nobody knows."""
        return depths().get("publish", 1) > 0


#: A broker that does not answer is not waited for: nobody asks for this twice.
_SECONDS = 3.0


def depths() -> dict[str, int]:
    """Count the messages that no worker has taken yet, by queue; nothing where the broker is away."""
    counts = {}
    connection = app.connection_for_read(connect_timeout=_SECONDS)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, timeout=_SECONDS)
            for name, queue in app.amqp.queues.items():
                counts[name] = queue(connection.default_channel).queue_declare().message_count
    except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors):
        return {}
    return counts
