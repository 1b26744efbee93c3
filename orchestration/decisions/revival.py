"""Revival: what an unfinished crawl needs if no message of it is left. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from storage.ledger.crawls import Crawl
from storage.ledger.streams import SKEW
from storage.states import CrawlState

#: A crawl is stalled that did nothing for this long and has no message at the gate.
QUIET = timedelta(seconds=5)

#: A settled crawl waits this long for its publish while messages to publish wait for a worker: its own may be among
#: them. If none wait, its message was lost unless a worker has it, and it is sent again sooner.
PUBLISH_LOST = timedelta(minutes=10)
PUBLISH_QUIET = timedelta(seconds=15)

#: A crawl that was revived this many times fails: something is wrong that sending it again does not mend.
REVIVAL_LIMIT = 10


class Revival(Enum):
    """What `tend` does for a crawl."""

    NOTHING = auto()
    ADVANCE = auto()  #: something that it needs was never sent, or was lost
    PUBLISH = auto()  #: it has settled, and its publish was lost
    FAIL = auto()  #: it was revived too many times


@dataclass(frozen=True, kw_only=True)
class RevivalFacts:
    """What the decision depends on."""

    crawl: Crawl
    #: When a request for one of its pages was last answered; None if none was.
    last_page_at: datetime | None
    #: Whether a message of the crawl is parked or admitted: it is waited for, however long that takes.
    is_at_gate: bool
    #: Whether messages to publish wait for a worker.
    is_queued: bool = False
    #: False while the crawl waits for others to be read before it.
    is_its_turn: bool = True


def decide_revival(facts: RevivalFacts, now: datetime) -> Revival:
    """Decide what a crawl needs.

    A crawl is stalled if nothing of it is parked or admitted at the gate, it is its turn, and it was quiet for a
    while: then its last message was lost, and the crawl is advanced as if the callback had run. A settled crawl is
    different: it waits for our own publish, which may be behind many others. Example: a worker dies between storing
    page 41 of 300 and acknowledging its message. The gate publishes the message again after its admission lapsed, so
    the crawl is at the gate, and this returns NOTHING. If Redis lost the whole chord as well, nothing is at the gate:
    five seconds later this returns ADVANCE, and exactly the missing pages are requested in a new round.
    """
    crawl = facts.crawl
    quiet = now - max(crawl.moved_at, facts.last_page_at or crawl.moved_at)
    if quiet < -SKEW:  # a moment in the future was written by a wrong clock, and says nothing
        quiet = PUBLISH_LOST
    if crawl.state is CrawlState.SETTLED:  # every page is stored: the crawl must not fail because its publish is slow
        patience = PUBLISH_LOST if facts.is_queued else PUBLISH_QUIET
        return Revival.PUBLISH if quiet >= patience else Revival.NOTHING
    if not crawl.is_unfinished or facts.is_at_gate or not facts.is_its_turn or quiet < QUIET:
        return Revival.NOTHING
    return Revival.FAIL if crawl.revivals >= REVIVAL_LIMIT else Revival.ADVANCE
