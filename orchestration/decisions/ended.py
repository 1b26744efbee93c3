"""The end of a task, as people see it in a monitor of tasks."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a task came to, in a few words; nothing is decided by them."""

    words: str = ""
    #: Whether its crawl failed by it.
    is_failure: bool = False
