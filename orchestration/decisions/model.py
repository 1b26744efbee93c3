"""The decisions that there are about a crawl, and the facts that they depend on, for every kind of paging."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.ledger.crawls import Scope
from storage.ledger.pages import PageFact

#: How many times the pages are read again because the data moved; then the crawl settles for what can be proven.
REREAD_LIMIT = 3

#: How many times to request a page whose answer contains no list.
LOST_LIMIT = 3

#: The most rounds of one crawl: far above what growth and re-reads need; it ends a crawl of data that grow without end.
ROUND_LIMIT = 40

#: A total beyond this is a server's mistake, not an organisation: it would be a hundred million records.
PAGE_LIMIT = 200_000


@dataclass(frozen=True, kw_only=True)
class Seed:
    """Request the first page: it tells how many there are."""


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Send a round for exactly these pages."""

    indexes: tuple[int, ...]
    #: Whether the pages were read before, and the data moved since.
    is_reread: bool = False


@dataclass(frozen=True, kw_only=True)
class Restart:
    """Begin again with the first page: the pages that were read are of an older version."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Take the next step along the cursors."""

    index: int


@dataclass(frozen=True, kw_only=True)
class Settle:
    """Publish what is stored; only what is consistent may delete."""

    is_consistent: bool
    version: str | None
    total: int | None
    #: Of a spot crawl: each asset, and whether its own pages are consistent.
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fail:
    """Fail the crawl."""

    reason: str
    #: The name of the error of the page that could not be read, if that is why.
    error: str | None = None


CrawlDecision = Seed | Fetch | Restart | Step | Settle | Fail


@dataclass(frozen=True, kw_only=True)
class CrawlFacts:
    """What a decision about a crawl depends on."""

    #: Rounds since the crawl began, or began again.
    round: int
    rereads: int
    pages: Sequence[PageFact]
    restarts: int = 0
    is_delta: bool = False
    scopes: tuple[Scope, ...] = field(default=())
