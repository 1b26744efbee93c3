"""What may be decided of a crawl whose pages were looked at, whichever way they are paged."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.ledger.crawls import Scope
from storage.ledger.pages import PageFact

#: How often the pages are read again because the data moved, before the crawl settles for what can be proven.
REREAD_LIMIT = 3

#: How often a page that came without being one is asked for.
LOST_LIMIT = 3

#: Chords of one crawl: far above what growth and re-reads need, and an end to data that grow faster than we read.
ROUND_LIMIT = 40

#: A total beyond this is a mistake of a server's, not an organisation: it would be a hundred million records.
PAGE_LIMIT = 200_000


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Send a round for exactly these pages."""

    indexes: tuple[int, ...]
    is_reread: bool = False


@dataclass(frozen=True, kw_only=True)
class Restart:
    """Begin again with the first page, since nothing that was read goes with what is there now."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Take the next step along the cursors."""

    index: int


@dataclass(frozen=True, kw_only=True)
class Settle:
    """Publish what is there; only a consistent reading may delete."""

    is_consistent: bool
    version: str | None
    total: int | None
    #: Of a spot: each asset, and whether its own pages are of one moment.
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fail:
    """Give the crawl up, for a reason."""

    reason: str


CrawlDecision = Fetch | Restart | Step | Settle | Fail


@dataclass(frozen=True, kw_only=True)
class CrawlFacts:
    """A crawl as far as a decision depends on it."""

    round: int
    rereads: int
    pages: Sequence[PageFact]
    restarts: int = 0
    is_delta: bool = False
    scopes: tuple[Scope, ...] = field(default=())
