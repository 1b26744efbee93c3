"""The hold: deletes that would take most of a stream wait for a second full crawl, soon after, that shows the same."""

from datetime import datetime, timedelta

from storage.ledger.streams import Stream
from storage.mirror.publication import Deletes, Verdict

#: From so many deletes on, and only if they are more than half of what there is.
MASS_LEAST = 20
MASS_SHARE = 0.5

#: The second crawl must begin this soon after the first was published: later, the same deletes may be another story.
CONFIRM_WITHIN = timedelta(minutes=30)

#: A person accepts deletes that were seen a while ago: a few more may have come since.
ACCEPTED_SLACK = 1.1


def is_mass_delete(count: int, records: int, remaining: int) -> bool:
    """Tell whether deletes take most of a stream, or leave it empty."""
    if remaining <= 0 < records:
        return True
    return count >= MASS_LEAST and count > records * MASS_SHARE


def judge_deletes(deletes: Deletes, stream: Stream, opened_at: datetime) -> Verdict:
    """Decide whether the deletes that a crawl shows, which was opened then, may happen."""
    if not is_mass_delete(deletes.count, deletes.records, deletes.remaining):
        return Verdict(may_delete=True)
    digest = deletes.digest()
    is_soon = stream.held_at is not None and opened_at - stream.held_at <= CONFIRM_WITHIN
    confirmed = is_soon and stream.held_digest == digest
    accepted = deletes.count <= (stream.accepted_deletes or 0) * ACCEPTED_SLACK
    may_delete = confirmed or accepted
    return Verdict(may_delete=may_delete, digest=None if may_delete else digest)
