"""Sync: read what is due of a location, from stream to stream, until every crawl of it is over."""

import itertools
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from apple.notices import wanted_by
from apple.resources import RESOURCES, Paging
from storage.errors import UnknownLocation
from storage.ledger.crawls import Crawl
from storage.ledger.progress import ProgressReport
from storage.ledger.streams import Due
from storage.ledger.syncs import Opened, Origin, Sync, Wanted
from storage.locations import Location
from storage.states import CrawlKind, CrawlState, LocationState, SyncState, Trigger, Trouble
from storage.store import Store

from .counts import COUNTED, CountCheck
from .crawl import Crawler
from .decisions import choice
from .decisions.health import Health, of_token
from .decisions.retry import Postponed
from .decisions.revival import QUIET
from .decisions.timetable import Intervals, patience
from .gate import Gate
from .log_context import about
from .queue import TaskQueue, message_prefix

log = logging.getLogger(__name__)

#: Pages older than this are worth little, since the data have changed: a new crawl begins instead.
RESUME_WITHIN = timedelta(hours=1)

#: The streams that are read side by side. Those that follow cursors wait for them, and are read one after the other.
PAGED = tuple(name for name, resource in RESOURCES.items() if resource.paging is not Paging.CURSOR)

#: How often a location that needs a person is tried, in case a person has acted at Apple.
_PERSON_REST = timedelta(hours=1)

#: How long a location rests after a bug of ours.
_BUG_REST = timedelta(minutes=10)


class NeedsPerson(Exception):
    """A person has to act before anything of a location is read."""

    def __init__(self, name: str, health: Health) -> None:
        super().__init__(health.words)
        self.name = name
        self.health = health


class Syncer:
    """Opens syncs and moves them on."""

    def __init__(self, store: Store, crawler: Crawler, gate: Gate, queue: TaskQueue, intervals: Intervals) -> None:
        self._store = store
        self._crawler = crawler
        self._gate = gate
        self._queue = queue
        self._intervals = intervals
        self._counts = CountCheck(store)

    def sync_due(self, uid: str) -> Postponed | None:
        """Sync the due streams of a location. Notices arrive in bursts: their streams wait for the rest."""
        location = self._watched(uid)
        if location is None:
            return None
        self._store.notices.handle(wanted_by, uid)
        now = self._store.now()
        due = self._store.streams.due(location.id, now)
        if not due:
            return None
        by = Trigger.CLOCK if any(one.wanted_since is None for one in due) else Trigger.NOTICE
        wait = self._patience(location, due, now) if by is Trigger.NOTICE else None
        if wait:
            return Postponed(seconds=wait.total_seconds())
        try:
            self.open(location, [one.resource for one in due], full=False, begun_by=by)
        except NeedsPerson as error:
            log.warning("%s: %s", location.name, error, extra={"advise_on": error.health.about, "place": location.name})
            self._store.streams.postpone(location.id, now + _PERSON_REST)
        return None

    def rest(self, uid: str) -> None:
        """Let a location rest after a bug of ours."""
        location = self._watched(uid)
        if location is not None:
            self._store.streams.postpone(location.id, self._store.now() + _BUG_REST)

    def open(
        self, location: Location, resources: Sequence[str] | None, *, full: bool, begun_by: Trigger = Trigger.HAND
    ) -> int | None:
        """Open a sync of these streams of a location, or of all; return its id, or None if there is nothing to read.

        Unfinished crawls of an earlier sync are taken over.
        """
        now = self._store.now()
        if location.token_expires <= now:
            self._store.locations.mark(location.id, LocationState.EXPIRED)
            raise NeedsPerson(location.name, of_token(location, now))
        wanted = [
            choice.choose(stream, self._intervals.of(location.uid, stream), now, full=full)
            for stream in self._store.streams.watched(location.id)
            if resources is None or stream.resource in resources
        ]
        if location.state is LocationState.FOREIGN:  # only these lists name the owner, and show that it is ours again
            wanted = [one for one in wanted if RESOURCES[one.stream.resource].paging is Paging.INDEX]
            if not wanted:
                raise NeedsPerson(location.name, of_token(location, now))
        if not wanted:
            return None
        sync_id, opened = self._store.syncs.open(location.id, wanted, now - RESUME_WITHIN, begun_by)
        with about(location=location.uid):
            crawls = ", ".join(f"{one.stream.resource} ({one.kind})" for one in wanted)
            log.info("'%s': sync %d reads %s.", location.name, sync_id, crawls)
        if not self._begin(opened):  # otherwise the first of these crawls that ends advances the sync
            self.advance(sync_id)
        return sync_id

    def advance(self, sync_id: int) -> None:
        """Do what a sync needs next, after one of its crawls is no longer open. It is harmless at any time.

        Paged streams are read first, side by side. When none of them is open any more, the streams that follow cursors
        are handed over, and read one at a time. When every paged crawl is over, the sync may find that it has to read
        more: a delta after a torn crawl, or assets whose counts disagree. When nothing is left, it ends.
        """
        while True:
            sync = self._store.syncs.get(sync_id)
            if sync.state is not SyncState.OPEN:
                return
            crawls = self._store.crawls.of_sync(sync_id)
            if not self._follow_cursors(sync, crawls):
                break
        if any(crawl.is_unfinished for crawl in _paged(crawls)):
            return
        wanted = self._further(sync, crawls)
        if wanted:
            self._begin(self._store.syncs.go_on(sync, wanted))
        elif not any(crawl.is_unfinished for crawl in crawls) and self._store.syncs.end(sync):
            self._begin_next(sync, crawls)

    def report(self, sync_ids: list[int]) -> tuple[list[ProgressReport], bool]:
        """Return how far syncs are, and whether all of them are over."""
        return self._store.progress.of(sync_ids)

    def _follow_cursors(self, sync: Sync, crawls: Sequence[Crawl]) -> bool:
        """Begin the cursor stream whose turn it is; return True if its crawl ended at once: the next may begin."""
        if not any(one.is_chained for one in crawls):
            return False
        if not sync.is_handed_over:
            is_open = any(crawl.state is CrawlState.OPEN for crawl in _paged(crawls))
            if is_open or not self._store.syncs.hand_over(sync, PAGED):
                return False
        chain = next((one for one in crawls if one.is_chained and one.state is CrawlState.OPEN), None)
        return chain is not None and self._crawler.advance(chain)

    def _begin(self, opened: Sequence[Opened]) -> bool:
        """Begin crawls; return whether any of them is paged: its end will advance the sync."""
        is_paged = False
        for one in opened:
            crawl = self._store.crawls.get(one.crawl_id)
            if crawl.is_chained:
                continue  # it is read when it is its turn
            is_paged |= crawl.is_unfinished
            if one.origin is Origin.NEW and crawl.kind is not CrawlKind.SPOT:
                self._queue.seed(crawl)
            elif one.origin is Origin.NEW:
                self._queue.reconcile(crawl)
            else:
                self._resume(crawl, one.origin)
        return is_paged

    def _resume(self, crawl: Crawl, origin: Origin) -> None:
        if crawl.state is not CrawlState.OPEN or (origin is Origin.FOUND and self._is_moving(crawl)):
            return
        if crawl.kind is CrawlKind.SPOT or RESOURCES[crawl.resource].paging is Paging.BATCH:
            self._queue.reconcile(crawl)  # it goes on with the batch token that it has
        else:
            self._crawler.seed(crawl)

    def _is_moving(self, crawl: Crawl) -> bool:
        is_young = self._store.now() - crawl.moved_at < QUIET
        return is_young or self._gate.knows(crawl.uid, message_prefix(crawl))

    def _further(self, sync: Sync, crawls: Sequence[Crawl]) -> list[Wanted]:
        """Return the crawls that this sync needs besides those that it was opened with."""
        by_stream = itertools.groupby(sorted(_paged(crawls), key=lambda one: (one.stream_id, one.id)), _stream_id)
        made = {stream_id: list(group) for stream_id, group in by_stream}
        streams = {stream.id: stream for stream in self._store.streams.watched(sync.location_id)}
        pairs = [(streams[stream_id], group) for stream_id, group in made.items() if stream_id in streams]
        wanted = [one for stream, group in pairs if (one := choice.further(stream, group)) is not None]
        disagreeing = self._counts.further(sync, list(streams.values()), crawls)
        if any(crawl.trouble is Trouble.PERSON for crawl in crawls if crawl.resource in COUNTED):
            return []  # a person has to act before anything of these lists is read
        return wanted or disagreeing

    def _begin_next(self, sync: Sync, crawls: Sequence[Crawl]) -> None:
        """Queue another sync if a notice arrived during this one, or counts disagree that it did not look into."""
        if not crawls:
            return
        self._counts.want_due(sync.location_id, crawls)
        if self._store.streams.is_wanted(sync.location_id):
            self._queue.sync(crawls[0].uid)

    def _patience(self, location: Location, due: Sequence[Due], now: datetime) -> timedelta:
        is_busy = self._store.syncs.is_open(location.id)
        return patience(due, self._store.streams.last_begun(location.id), now, is_busy=is_busy)

    def _watched(self, uid: str) -> Location | None:
        """Return a location if it is still watched."""
        try:
            location = self._store.locations.find(uid)
        except UnknownLocation:
            return None
        return location if location.is_watched else None


def _paged(crawls: Sequence[Crawl]) -> list[Crawl]:
    return [crawl for crawl in crawls if not crawl.is_chained]


def _stream_id(crawl: Crawl) -> int:
    return crawl.stream_id
