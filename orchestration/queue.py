"""What the use cases ask to have done by somebody else: the one thing that they know of the task queue."""

from collections.abc import Sequence
from typing import Protocol


class Postponed(Exception):
    """The task must park itself and come again after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Again in {seconds:.1f} s.")
        self.seconds = seconds


class TaskQueue(Protocol):
    """Sends work on its way. Every id in it is computed, so that sending twice is sending once."""

    def sync(self, location: str) -> None:
        """Have a location synced, if anything of it is due."""

    def refresh(self, location: str) -> None:
        """Have Apple asked whose token a location's is, how long it lives, and where notices go."""

    def seed(self, location: str, crawl_id: int, round_: int) -> None:
        """Have the first page fetched."""

    def round(self, location: str, crawl_id: int, round_: int, indexes: Sequence[int]) -> None:
        """Have a chord of pages fetched, and reconciled after the last."""

    def follow(self, location: str, crawl_id: int, round_: int, index: int) -> None:
        """Have one step of a chain of cursors taken."""

    def reconcile(self, crawl_id: int) -> None:
        """Have decided what a crawl needs next."""

    def publish(self, crawl_id: int) -> None:
        """Have a settled crawl published."""

    def do_publishes_wait(self) -> bool:
        """Tell whether messages to publish wait for a worker, or nobody knows."""


def message_id(crawl_id: int, round_: int, index: int) -> str:
    """Compute the id of the message that asks for a page."""
    return f"{crawl_id}.{round_}.{index}"


def message_prefix(crawl_id: int) -> str:
    """Compute how the ids of all messages of a crawl begin."""
    return f"{crawl_id}."
