"""Counts: find the assets whose count at Apple is not the number of their assignments here, for a crawl of these alone.

A delta of assignments shows no removals, so this is how most removals are found. Assets and assignments are not read at
one moment: counts that differ may agree a second later, and some never agree. Therefore what a comparison found is
noted before anything is decided from it, and what was read in vain waits longer each time.
"""

from collections.abc import Sequence

from storage.ledger.crawls import Crawl
from storage.ledger.streams import Stream
from storage.ledger.syncs import Sync, Wanted
from storage.mirror.counts import Disagreement, Moves
from storage.states import CrawlKind, CrawlState, Reason
from storage.store import Store

from .decisions import choice, spot

#: Assets have a count of their assignments: each of the two streams shows what the other lacks.
COUNTED = ("assets", "assignments")


class CountCheck:
    """Compares counts with assignments, once after each publish that changed either."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def further(self, sync: Sync, streams: Sequence[Stream], crawls: Sequence[Crawl]) -> list[Wanted]:
        """Return the crawls that a sync needs because counts disagree; disagreements are stored in any case.

        No list of changes shows that an assignment is gone, but each asset has a count of its assignments. Example:
        Apple counts 9 assignments of Keynote and the mirror has 10. The assets may have been read before the
        assignments, so they are read once more; if 9 and 10 still stand, the sync opens a spot crawl of Keynote's
        assignments alone, and its publish deletes the tenth. One look a sync: what changes after it is for the next.
        """
        counted = [crawl for crawl in crawls if crawl.resource in COUNTED]
        both = {stream.resource: stream for stream in streams if stream.resource in COUNTED and stream.published_at}
        if len(both) < len(COUNTED):
            return []
        look, since = spot.since_last_look(counted)
        is_touched = any(map(choice.is_touched, since))
        is_after_look = look is not None and look.state is CrawlState.PUBLISHED and not is_touched
        now, moves = self._store.now(), Moves(*(both[resource].moves for resource in COUNTED))
        self._compare(sync.location_id, moves, is_after_look=is_after_look)
        if look is not None or not counted or not self._store.counts.is_due(sync.location_id, now):
            return []  # one look a sync; the next one looks into what changed since
        due = spot.due(self._store.counts.differing(sync.location_id), now)
        if not due:  # the stored disagreements are over
            self._store.counts.note_comparison(sync.location_id, moves, [])
            return []
        if spot.are_counts_old(counted):
            return [Wanted(stream=both["assets"])]
        return self._look_into(sync, both["assignments"], due)

    def want_due(self, location_id: int, crawls: Sequence[Crawl]) -> None:
        """Make both streams due again if something is due that the sync of these crawls did not look into."""
        last = {crawl.resource: crawl for crawl in crawls if crawl.kind is not CrawlKind.SPOT}
        both = [last[resource] for resource in COUNTED if resource in last]
        is_read = len(both) == len(COUNTED) and all(crawl.state is not CrawlState.FAILED for crawl in both)
        if is_read and self._store.counts.is_due(location_id, self._store.now()):
            self._store.streams.want(location_id, COUNTED, self._store.now())

    def _compare(self, location_id: int, moves: Moves, *, is_after_look: bool) -> None:
        if self._store.counts.is_compared(location_id, moves):
            return
        differing = self._store.counts.differing(location_id)
        noted = spot.noted(differing, self._store.now(), is_after_look=is_after_look)
        self._store.counts.note_comparison(location_id, moves, noted)

    def _look_into(self, sync: Sync, assignments: Stream, due: list[Disagreement]) -> list[Wanted]:
        pages = self._store.crawls.last_total(assignments.id)
        if not spot.is_full_cheaper(due, pages, assignments.records):
            return [Wanted(stream=assignments, kind=CrawlKind.SPOT, scopes=spot.scopes_of(due))]
        if assignments.full_after is not None and assignments.full_after > self._store.now():
            # Full crawls are torn at the moment, and wait.
            self._store.counts.note(sync.location_id, spot.postpone(due, assignments.full_after))
            return []
        return [Wanted(stream=assignments, forced_by=Reason.COUNTS)]
