"""Syncing: open a round over a location, see it through from stream to stream, and tell how far it is."""

import itertools
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from apple.resources import RESOURCES, Paging
from storage.clock import Clock
from storage.ledger.crawls import Crawl, Crawls
from storage.ledger.pages import Pages
from storage.ledger.progress import Progress, ProgressReport
from storage.ledger.streams import Stream, Streams
from storage.ledger.syncs import Opened, Origin, Sync, Syncs, Wanted
from storage.locations import Location, Locations
from storage.mirror.counts import Counts, Disagreement, Moves
from storage.mirror.outcome import Reason
from storage.schema import CrawlKind, CrawlState, LocationState, SyncState

from .decisions import choice, spot
from .decisions.health import of_token
from .decisions.model import Step
from .decisions.reconcile import decide_crawl
from .decisions.retry import Trouble
from .decisions.revival import QUIET
from .decisions.timetable import Intervals
from .gate import Gate
from .log_context import about
from .queue import TaskQueue, message_prefix

log = logging.getLogger(__name__)

#: Pages older than this are worth little: the data have moved on. A new crawl begins instead.
RESUME_WITHIN = timedelta(hours=1)

#: The streams whose requests run side by side. The others wait for them, and are walked one after the other.
PAGED = tuple(name for name, resource in RESOURCES.items() if resource.paging is not Paging.CURSOR)

#: The streams that tell of each other: assets count their assignments.
_COUNTED = ("assets", "assignments")


class NeedsPerson(Exception):
    """A person has to act before anything of a location is read; the words say how."""


@dataclass(frozen=True, kw_only=True)
class SyncStores:
    """What is remembered, as far as a sync needs it."""

    locations: Locations
    streams: Streams
    syncs: Syncs
    crawls: Crawls
    pages: Pages
    counts: Counts
    progress: Progress
    clock: Clock


class Syncer:
    """Opens syncs and sees them through."""

    def __init__(self, stores: SyncStores, gate: Gate, sending: TaskQueue, intervals: Intervals) -> None:
        self._stores = stores
        self._gate = gate
        self._sending = sending
        self._intervals = intervals

    def open(self, location: Location, resources: list[str] | None, *, full: bool) -> int | None:
        """Start what is due at a location, take over what was left unfinished, and give the sync's number."""
        now = self._stores.clock.now()
        if location.token_expires <= now:
            self._stores.locations.mark(location.id, LocationState.EXPIRED, None)
            raise NeedsPerson(of_token(location, now).words)
        wanted = [
            choice.choose(stream, self._intervals.of(location.uid, stream), now, full=full)
            for stream in self._stores.streams.watched(location.id)
            if resources is None or stream.resource in resources
        ]
        if location.state is LocationState.FOREIGN:  # only these lists would show that it is ours again
            wanted = [one for one in wanted if RESOURCES[one.stream.resource].paging is Paging.INDEX]
            if not wanted:
                raise NeedsPerson(of_token(location, now).words)
        if not wanted:
            return None
        sync_id, opened = self._stores.syncs.open(location.id, wanted, now - RESUME_WITHIN)
        with about(location=location.uid):
            told = ", ".join(f"{one.stream.resource} ({one.kind})" for one in wanted)
            log.info("'%s': sync %d reads %s.", location.name, sync_id, told)
        if not self._begin(opened):  # else the first of them to end sees it on
            self.advance(sync_id)
        return sync_id

    def advance(self, sync_id: int) -> None:
        """See what a sync needs next, and have it done. Harmless at any time."""
        sync = self._stores.syncs.get(sync_id)
        if sync.state is not SyncState.OPEN:
            return
        crawls = self._stores.crawls.of_sync(sync_id)
        if not sync.is_handed_over and not any(crawl.state is CrawlState.OPEN for crawl in _paged(crawls)):
            self._stores.syncs.hand_over(sync, PAGED)
        if self._stores.syncs.get(sync_id).is_handed_over:
            self._follow(crawls)
        if any(crawl.is_unfinished for crawl in _paged(crawls)):
            return
        wanted = self._further(sync, crawls)
        if wanted:
            self._begin(self._stores.syncs.go_on(sync, wanted))
        elif not any(crawl.is_unfinished for crawl in crawls) and self._stores.syncs.end(sync):
            self._go_round(sync, crawls)

    def report(self, sync_ids: list[int]) -> tuple[list[ProgressReport], bool]:
        """Tell how far syncs are, and whether all of them are over."""
        return self._stores.progress.of(sync_ids)

    def _begin(self, opened: list[Opened]) -> bool:
        """Begin crawls; tells whether any of them is read side by side, so that the sync is seen on by its end."""
        is_paged = False
        for one in opened:
            crawl = self._stores.crawls.get(one.crawl_id)
            if crawl.is_chained:
                continue  # walked when it is its turn
            is_paged |= crawl.is_unfinished
            if one.origin is Origin.NEW and crawl.kind is not CrawlKind.SPOT:
                self._sending.seed(crawl.uid, crawl.id, crawl.round)
            elif one.origin is Origin.NEW:
                self._sending.reconcile(crawl.id)
            else:
                self._resume(crawl, one.origin)
        return is_paged

    def _resume(self, crawl: Crawl, origin: Origin) -> None:
        if crawl.state is not CrawlState.OPEN or (origin is Origin.FOUND and self._is_moving(crawl)):
            return
        if crawl.kind is CrawlKind.SPOT or RESOURCES[crawl.resource].is_legacy:
            self._sending.reconcile(crawl.id)  # goes on by the batch token that it has
        elif self._stores.crawls.begin_round(crawl):
            # Page 0 is asked for again: it tells whether what the ledger holds is still of the present.
            self._sending.seed(crawl.uid, crawl.id, crawl.round + 1)

    def _is_moving(self, crawl: Crawl) -> bool:
        is_young = self._stores.clock.now() - crawl.moved_at < QUIET
        return is_young or self._gate.knows(crawl.uid, message_prefix(crawl.id))

    def _go_round(self, sync: Sync, crawls: list[Crawl]) -> None:
        """Begin another sync where a notice came during this one, or what it did not look into any more is due."""
        if not crawls:
            return
        now = self._stores.clock.now()
        if _could_look(crawls) and self._stores.counts.is_due(sync.location_id, now):
            self._stores.streams.want(sync.location_id, _COUNTED, now)
        if self._stores.streams.is_wanted(sync.location_id):
            self._sending.sync(crawls[0].uid)

    def _follow(self, crawls: list[Crawl]) -> None:
        """Send the step that is next in the first cursor stream that is not through. Sent twice, it is sent once."""
        crawl = next((one for one in crawls if one.is_chained and one.state is CrawlState.OPEN), None)
        if crawl is None:
            return
        decision = decide_crawl(crawl, self._stores.pages.facts(crawl.id, crawl.floor))
        index = decision.index if isinstance(decision, Step) else 0
        self._sending.follow(crawl.uid, crawl.id, crawl.round, index)

    def _further(self, sync: Sync, crawls: list[Crawl]) -> list[Wanted]:
        """Find what this sync should read besides what it set out to."""
        by_stream = itertools.groupby(sorted(_paged(crawls), key=lambda one: (one.stream_id, one.id)), _stream_of)
        made = {stream_id: list(group) for stream_id, group in by_stream}
        streams = {stream.id: stream for stream in self._stores.streams.watched(sync.location_id)}
        pairs = [(streams[stream_id], group) for stream_id, group in made.items() if stream_id in streams]
        wanted = [one for stream, group in pairs if (one := choice.further(stream, group)) is not None]
        spot = self._spot(sync, list(streams.values()), crawls)
        if any(crawl.trouble == Trouble.PERSON for crawl in _counted(crawls)):
            return []  # a person has to act before anything of these lists is read
        return wanted or spot

    def _spot(self, sync: Sync, streams: list[Stream], crawls: list[Crawl]) -> list[Wanted]:
        """Want those assets read alone whose counts and assignments disagree; what disagrees is noted in any case."""
        counted = _counted(crawls)
        both = {stream.resource: stream for stream in streams if stream.resource in _COUNTED and stream.published_at}
        if len(both) < len(_COUNTED):
            return []
        look, since = spot.since_last_look(counted)
        is_touched = any(map(choice.is_touched, since))
        is_after_look = look is not None and look.state is CrawlState.PUBLISHED and not is_touched
        now, moves = self._stores.clock.now(), Moves(*(both[resource].moves for resource in _COUNTED))
        self._compare(sync.location_id, moves, now, is_after_look=is_after_look)
        if look is not None or not counted or not self._stores.counts.is_due(sync.location_id, now):
            return []  # one look a sync; what came since is looked into by the next
        due = spot.due(self._stores.counts.differing(sync.location_id), now)
        if not due:  # what was noted agrees again
            self._stores.counts.note_comparison(sync.location_id, moves, [])
            return []
        if spot.are_counts_old(counted):
            return [Wanted(stream=both["assets"])]
        return self._look_into(sync, both["assignments"], due)

    def _compare(self, location_id: int, moves: Moves, now: datetime, *, is_after_look: bool) -> None:
        """Compare counts once after each publish, and note what disagrees before anybody decides not to look."""
        if self._stores.counts.is_compared(location_id, moves):
            return
        differing = self._stores.counts.differing(location_id)
        noted = spot.noted(differing, now, is_after_look=is_after_look)
        self._stores.counts.note_comparison(location_id, moves, noted)

    def _look_into(self, sync: Sync, assignments: Stream, due: list[Disagreement]) -> list[Wanted]:
        pages = self._stores.crawls.last_total(assignments.id)
        if not spot.is_full_cheaper(due, pages, assignments.records):
            return [Wanted(stream=assignments, kind=CrawlKind.SPOT, scopes=spot.scopes_of(due))]
        if assignments.full_after is not None and assignments.full_after > self._stores.clock.now():
            # Full readings come out torn, and wait.
            self._stores.counts.note(sync.location_id, spot.put_off(due, assignments.full_after))
            return []
        return [Wanted(stream=assignments, forced_by=Reason.COUNTS)]


def _counted(crawls: list[Crawl]) -> list[Crawl]:
    return [crawl for crawl in crawls if crawl.resource in _COUNTED]


def _could_look(crawls: list[Crawl]) -> bool:
    """Tell whether a sync read assets and assignments to a good end, so that the next one can look into them."""
    last = {crawl.resource: crawl for crawl in _counted(crawls) if crawl.kind is not CrawlKind.SPOT}
    return len(last) == len(_COUNTED) and all(crawl.state is not CrawlState.FAILED for crawl in last.values())


def _paged(crawls: list[Crawl]) -> list[Crawl]:
    return [crawl for crawl in crawls if not crawl.is_chained]


def _stream_of(crawl: Crawl) -> int:
    return crawl.stream_id
