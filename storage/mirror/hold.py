"""Hold: deletes of most of a stream wait until a second full crawl, soon after, shows the same. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..ledger.streams import Stream

#: A mass delete: at least this many and more than this share of the records; or all of them.
MASS_LEAST = 20
MASS_SHARE = 0.5

#: The second crawl must begin this soon after the first was published; later, the same deletes may have another cause.
CONFIRM_WITHIN = timedelta(minutes=30)

#: A person accepts deletes that were found a while ago: this many more are accepted with them.
ACCEPTED_SLACK = 1.1


@dataclass(frozen=True, kw_only=True)
class Deletes:
    """The deletes that a publish is about to make."""

    count: int
    #: How many records the mirror holds, and how many it would hold afterwards.
    records: int
    remaining: int
    #: Computes a digest of exactly these deletes, which costs a pass over them.
    digest: Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether deletes may be made; if not, the digest that a second crawl must show."""

    may_delete: bool
    digest: str | None = None


#: Decides about deletes from the stream as it stands and the moment at which the crawl was opened.
Judge = Callable[[Deletes, Stream, datetime], Verdict]


def is_mass_delete(count: int, records: int, remaining: int) -> bool:
    """Return whether deletes take most of a stream, or leave it empty."""
    if remaining <= 0 < records:
        return True
    return count >= MASS_LEAST and count > records * MASS_SHARE


def judge_deletes(deletes: Deletes, stream: Stream, opened_at: datetime) -> Verdict:
    """Decide whether the deletes that a crawl shows may be made, given when it was opened.

    A list may be empty because of a mistake at Apple, and a mirror that believed it would tell a thousand devices
    that their apps are gone. So a mass delete is held until a second crawl shows exactly the same one, by its digest,
    soon after; or until a person accepts it. Example: at 10:00 a full crawl shows none of 620 assignments. The
    publish changes nothing but holds 620 deletes with their digest. At 10:05 another crawl shows the same: they are
    made. Had it shown 619 of the records again, its one delete would be no mass delete, and would be made at once.
    """
    if not is_mass_delete(deletes.count, deletes.records, deletes.remaining):
        return Verdict(may_delete=True)
    digest = deletes.digest()
    is_soon = stream.held_at is not None and opened_at - stream.held_at <= CONFIRM_WITHIN
    is_confirmed = is_soon and stream.held_digest == digest
    is_accepted = deletes.count <= (stream.accepted_deletes or 0) * ACCEPTED_SLACK
    may_delete = is_confirmed or is_accepted
    return Verdict(may_delete=may_delete, digest=None if may_delete else digest)
