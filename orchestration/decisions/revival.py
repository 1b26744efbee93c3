"""Tend: find the crawls that nothing is working on. The decision is pure; obeying it is another's."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from storage.ledger.crawls import Crawl
from storage.ledger.streams import SKEW
from storage.schema import CrawlKind, CrawlState

#: A crawl that did nothing for so long, with nothing waiting for it at the gate, is stalled.
QUIET = timedelta(seconds=5)

#: A settled crawl waits so long for its publish while messages to publish wait for a worker, for its own may be among
#: them; without any, that was lost if nobody is at it, and is sent again sooner.
PUBLISH_LOST = timedelta(minutes=10)
PUBLISH_QUIET = timedelta(seconds=15)

#: Revived so often, a crawl fails: something is wrong that sending it again does not mend.
REVIVAL_LIMIT = 10


class Revival(Enum):
    """What a crawl needs from whoever tends it."""

    NOTHING = auto()
    SEED = auto()  #: its first page was never stored, and nobody is asking for it
    ADVANCE = auto()  #: pages are missing, or all are there, and nobody noticed
    FOLLOW = auto()  #: the next step of its chain was never sent, or never came
    PUBLISH = auto()  #: settled, and not published
    FAIL = auto()  #: revived too often


@dataclass(frozen=True, kw_only=True)
class RevivalFacts:
    """How still a crawl is."""

    crawl: Crawl
    last_page_at: datetime | None
    has_first_page: bool
    #: A message of its is parked or admitted: it is waited for, however long that takes.
    is_at_gate: bool
    #: Messages to publish wait for a worker.
    is_queued: bool = False
    #: False where a stream waits for others to be read before it.
    is_its_turn: bool = True


def decide_revival(stillness: RevivalFacts, now: datetime) -> Revival:
    """Decide what a crawl needs."""
    crawl = stillness.crawl
    quiet = now - max(crawl.moved_at, stillness.last_page_at or crawl.moved_at)
    if quiet < -SKEW:  # moments in the future are of a clock that was wrong: they say nothing
        quiet = PUBLISH_LOST
    if crawl.state is CrawlState.SETTLED:  # it is whole: whatever keeps it waiting is not counted against it
        patience = PUBLISH_LOST if stillness.is_queued else PUBLISH_QUIET
        return Revival.PUBLISH if quiet >= patience else Revival.NOTHING
    if not crawl.is_unfinished or stillness.is_at_gate or not stillness.is_its_turn or quiet < QUIET:
        return Revival.NOTHING
    if crawl.revivals >= REVIVAL_LIMIT:
        return Revival.FAIL
    if crawl.is_chained:
        return Revival.FOLLOW
    has_begun = stillness.has_first_page or crawl.kind is CrawlKind.SPOT
    return Revival.ADVANCE if has_begun else Revival.SEED
