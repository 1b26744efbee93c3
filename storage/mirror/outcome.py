"""Outcome: the stream as it stands after a publish, from what the publish found. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..ledger.crawls import Crawl
from ..ledger.streams import Stream
from ..states import CrawlKind, Reason

#: How long the next full crawl waits after the second torn one in a row; doubled by each further torn one. After the
#: first, the next sync reads everything again.
_TORN_SECONDS = 300.0
_TORN_LIMIT_SECONDS = 6 * 3600.0

#: How soon the scheduler looks at held deletes again.
HELD_REST = timedelta(minutes=5)
LONGEST_HELD_REST = timedelta(minutes=20)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How many records a publish inserted, updated and deleted."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def total(self) -> int:
        """How many changes there are in all."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a publish found and did."""

    #: Whether everything that was read is of one version.
    is_consistent: bool
    changes: Changes
    #: How many records the mirror holds of the stream now.
    records: int
    #: How many deletes were not made, and the digest of exactly those.
    held: int = 0
    digest: str | None = None
    #: Whether the pages are those of the stream's proof, so that nothing had to be compared; and what identifies them.
    is_proved: bool = False
    proof_digest: bytes | None = None
    #: How many retired users a crawl showed that could not count them.
    retired: int = 0


def stream_after(crawl: Crawl, stream: Stream, found: Findings, now: datetime) -> Stream:
    """Return the stream as it stands after a crawl of it was published.

    Two versions are kept, and each moves by rules of its own. `version` is where the next delta starts: a consistent
    crawl moves it to its own version, a torn one leaves it, since what it missed is only in changes since before it.
    `complete_version` is what the short cut compares with, and only a consistent full crawl without held deletes moves
    it. Example: a full crawl of v5 is torn, and the mirror was at v3. The delta that follows starts at v3, not at v5: a
    record that changed at v4, and slipped between two pages of the torn crawl, is in it.
    """
    after = replace(
        stream,
        records=found.records,
        published_at=now,
        problem=None,
        error=None,
        failures=0,
        proof_id=None,  # whatever was published, unless it is a proof itself
        proof_digest=None,
        moves=stream.moves + (found.changes.total > 0),
    )
    match crawl.kind:
        case CrawlKind.FULL:
            return _after_full(crawl, after, found, now, stream.proof_id)
        case CrawlKind.DELTA:
            return _after_delta(crawl, after, found)
        case CrawlKind.SPOT:
            return _with_held(after, found, now) if found.held else after


def _after_full(crawl: Crawl, stream: Stream, found: Findings, now: datetime, proof_id: int | None) -> Stream:
    if not found.is_consistent:
        torn = stream.torn_fulls + 1
        # It may have missed records that were there before it began, and no delta from its own begin shows these. So
        # the next delta begins at the version before, if there is one: whatever changed since is in it.
        base = stream.version or crawl.base_version or crawl.version
        full_after = now + _wait_after(torn)
        return replace(stream, version=base, full_wanted=Reason.TORN, torn_fulls=torn, full_after=full_after)
    after = replace(stream, version=crawl.version, torn_fulls=0, full_wanted=None, full_after=None, deep_at=now)
    after = _with_held(after, found, now)
    if found.held:
        return after
    first = crawl.id if stream.first_full_id is None else stream.first_full_id
    after = replace(after, complete_version=crawl.version, full_at=now, seen_at=crawl.opened_at, first_full_id=first)
    if found.proof_digest is None:
        return after
    return replace(after, proof_id=proof_id if found.is_proved else crawl.id, proof_digest=found.proof_digest)


def _after_delta(crawl: Crawl, stream: Stream, found: Findings) -> Stream:
    after = stream
    if found.is_consistent:  # a torn one may lack what moved between its pages: the next begins at the same base
        after = replace(after, version=crawl.version or stream.version, seen_at=crawl.opened_at)
    # A delta may show what was there before. At the version of the last consistent full crawl, all of it was.
    is_news = crawl.version is None or crawl.version != stream.complete_version
    if found.retired and is_news and stream.full_wanted is None:
        after = replace(after, full_wanted=Reason.RETIRED, full_after=None)
    return after


def _with_held(stream: Stream, found: Findings, now: datetime) -> Stream:
    if not found.held:
        return replace(stream, held_deletes=None, held_digest=None, held_at=None, accepted_deletes=None)
    rest = HELD_REST  # soon, so that a second crawl can confirm them; later and later if none does
    if stream.held_at is not None:
        rest = min(max(HELD_REST, 2 * (now - stream.held_at)), LONGEST_HELD_REST)
    return replace(
        stream,
        held_deletes=found.held,
        held_digest=found.digest,
        held_at=now,
        accepted_deletes=None,
        full_wanted=Reason.HELD,
        full_after=None,
        due_at=now + rest,
    )


def _wait_after(torn: int) -> timedelta:
    if torn < 2:  # noqa: PLR2004 - the second in a row
        return timedelta()
    return timedelta(seconds=min(_TORN_LIMIT_SECONDS, _TORN_SECONDS * 2 ** (torn - 2)))
