"""The queue: the messages that use cases send, and their ids.

Every id is computed, so that a message that is sent twice is delivered once.
"""

from collections.abc import Sequence
from typing import Protocol

from storage.ledger.crawls import Crawl


class TaskQueue(Protocol):
    """Sends tasks on their way."""

    def sync(self, uid: str) -> None:
        """Send for the location of this uId to be synced, if anything of it is due."""

    def refresh(self, uid: str) -> None:
        """Send for Apple to be asked whose token a location has, when it expires, and where its notices go."""

    def names(self) -> None:
        """Send for the names that are due to be looked up."""

    def seed(self, crawl: Crawl) -> None:
        """Send for the first page."""

    def round(self, crawl: Crawl, indexes: Sequence[int]) -> None:
        """Send a chord of pages, whose callback reconciles the crawl."""

    def follow(self, crawl: Crawl, index: int) -> None:
        """Send one step of a chain of cursors."""

    def reconcile(self, crawl: Crawl) -> None:
        """Send for a decision about what a crawl needs next."""

    def publish(self, crawl: Crawl) -> None:
        """Send for a settled crawl to be published."""

    def do_publishes_wait(self) -> bool:
        """Return whether messages to publish wait for a worker; True also if that cannot be found out."""


def message_id(crawl: Crawl, index: int) -> str:
    """Return the id of the message that asks for a page of a crawl's round."""
    return f"{crawl.id}.{crawl.round}.{index}"


def message_prefix(crawl: Crawl) -> str:
    """Return how the ids of all messages of a crawl begin."""
    return f"{crawl.id}."
