"""The states of what is kept, as the database holds them."""

from dataclasses import dataclass
from enum import StrEnum


class LocationState(StrEnum):
    """What is known of a location's token."""

    VALID = "valid"  #: Apple answers it
    EXPIRED = "expired"  #: its date has passed, or Apple says so
    REVOKED = "revoked"  #: Apple says that a newer one took its place
    WRONG = "wrong"  #: Apple does not know it, or it opens another location
    FOREIGN = "foreign"  #: another service manages the location now


class CrawlKind(StrEnum):
    """How much a crawl reads."""

    FULL = "full"  #: everything: what it does not show is gone
    DELTA = "delta"  #: what changed since a version or token: it shows nothing of what is gone
    SPOT = "spot"  #: everything of some assets alone, to settle those whose counts disagree


class CrawlState(StrEnum):
    """How far a crawl is."""

    OPEN = "open"  #: reading: pages are being asked for
    SETTLED = "settled"  #: open -> settled, every page that counts is in the ledger
    PUBLISHED = "published"  #: settled -> published, the mirror has it
    UNCHANGED = "unchanged"  #: open -> unchanged, the first page showed that nothing has changed
    FAILED = "failed"  #: open | settled -> failed, with its reason; failed -> open, when a later sync goes on from it


#: The states of a crawl that is under way; a stream has at most one such crawl.
UNFINISHED = (CrawlState.OPEN, CrawlState.SETTLED)


class Trouble(StrEnum):
    """Who can end the trouble that a crawl failed for."""

    AWAY = "away"  #: it may end by itself: a later crawl may succeed
    PERSON = "person"  #: a person has to act first
    BUG = "bug"  #: a mistake of ours: another try will not help


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why something failed."""

    #: What happened, as a sentence.
    reason: str
    trouble: Trouble
    #: The name of the error, under which advice is looked up; None if it was no error of Apple or the database.
    error: str | None = None


class Reason(StrEnum):
    """Why a crawl must read everything, whatever its first page says."""

    ASKED = "asked for"
    TORN = "torn"
    HELD = "deletes held"
    RETIRED = "retired users"
    COUNTS = "counts disagree"
    DEEP = "due"


class Trigger(StrEnum):
    """What a sync began by."""

    HAND = "hand"  #: a person, by a command
    CLOCK = "clock"  #: the scheduler, since a stream was due
    NOTICE = "notice"  #: a notice of Apple


class SyncState(StrEnum):
    """How far a sync is."""

    OPEN = "open"  #: at least one of its crawls is unfinished
    ENDED = "ended"  #: open -> ended, all are over


class PageOutcome(StrEnum):
    """What became of a page in the round that asked for it last."""

    STORED = "stored"  #: its body is here
    BEYOND = "beyond"  #: Apple says that there is no such page
    LOST = "lost"  #: an answer without the page: no list in it, or a batch without its token
    FAILED = "failed"  #: given up: its reason says why
    TRYING = "trying"  #: an attempt failed, and another will be made


class Access(StrEnum):
    """What a visitor of the console, or a program that calls the API, may do."""

    READ = "read"  #: look at everything
    ACT = "act"  #: and start syncs, accept held deletes, replay notices
