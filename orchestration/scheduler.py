"""Ticking: what the clock does each round. It finds what is due, and has each location synced by a task of its own."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apple.notices import wanted_by
from storage.chores import Chores
from storage.clock import Clock
from storage.closings import Closings
from storage.errors import UnknownLocation
from storage.ledger.pages import PAGES_KEPT, Pages
from storage.ledger.streams import Streams
from storage.ledger.syncs import Syncs
from storage.locations import Location, Locations
from storage.mirror.feed import Feed
from storage.notices import Notices

from .decisions.timetable import patience
from .queue import Postponed, TaskQueue
from .sync import NeedsPerson, Syncer

log = logging.getLogger(__name__)

#: How often each round comes. The beats send them a little more often than they are claimed.
TICK_EVERY = timedelta(seconds=2)
TEND_EVERY = timedelta(seconds=5)
REFRESH_EVERY = timedelta(minutes=1)
SWEEP_EVERY = timedelta(minutes=10)

#: A round may come by so much early: clocks and queues are not exact.
_EARLY = 0.8

#: So many locations are begun a round at most; the others are due in the next.
_AT_ONCE = 500

#: A location that needs a person is looked at this often, in case somebody has acted without telling.
_PERSON_REST = timedelta(hours=1)

#: A location over which something of ours stumbled.
_BUG_REST = timedelta(minutes=10)

#: About so many locations Apple is asked a round.
_CONFIGS_AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class TickStores:
    """What is remembered, as far as the clock needs it."""

    locations: Locations
    streams: Streams
    syncs: Syncs
    pages: Pages
    notices: Notices
    closings: Closings
    feed: Feed
    rounds: Chores
    clock: Clock


class Scheduler:
    """Does what is due."""

    def __init__(
        self, stores: TickStores, syncing: Syncer, sending: TaskQueue, changes_kept: timedelta | None = None
    ) -> None:
        self._stores = stores
        #: How long changes are kept in the feed; None for ever.
        self._changes_kept = changes_kept
        self._syncing = syncing
        self._sending = sending

    def tick(self) -> None:
        """Handle what notices are left, and have every location synced of which something is due."""
        if not self.claim("tick", TICK_EVERY):
            return
        self._stores.notices.heed(wanted_by)
        now = self._stores.clock.now()
        due = self._stores.streams.due_locations(now, _AT_ONCE)
        if due:
            self._send(due, now)

    def _send(self, uids: list[str], now: datetime) -> None:
        """Send for locations; first it is noted, for a worker may be quicker than that."""
        self._stores.streams.note_sent(uids, now)
        try:
            for uid in uids:
                self._sending.sync(uid)
        except Exception:
            self._stores.streams.note_sent(uids, None)
            raise

    def sync(self, uid: str) -> None:
        """Sync what is due of a location. What a notice wants waits a little, for notices come in bursts."""
        location = self._find(uid)
        if location is None:
            return
        self._stores.notices.heed(wanted_by, uid)
        now = self._stores.clock.now()
        due = self._stores.streams.due(location.id, now)
        if not due:
            return
        is_busy = self._stores.syncs.is_open(location.id)
        wait = patience(due, self._stores.streams.last_begun(location.id), now, is_busy=is_busy)
        if wait:
            raise Postponed(wait.total_seconds())
        try:
            self._syncing.open(location, [one.resource for one in due], full=False)
        except NeedsPerson as error:
            log.warning("%s: %s", location.name, error)
            self._stores.streams.put_off(location.id, now + _PERSON_REST)

    def refresh(self) -> None:
        """Have Apple asked about the tokens that it was not asked about for a day, some at a time."""
        if self.claim("refresh", REFRESH_EVERY):
            mended = self._stores.streams.mend_future(self._stores.clock.now())
            if mended:
                log.warning("A clock was wrong: %d streams were dated in the future, and are read again.", mended)
            for uid in self._stores.locations.claim_unasked(_CONFIGS_AT_ONCE):
                self._sending.refresh(uid)

    def sweep(self) -> None:
        """Drop what nobody needs any more."""
        if not self.claim("sweep", SWEEP_EVERY):
            return
        sweeps: list[Callable[[], bool]] = [self._sweep_pages, self._stores.syncs.sweep, self._prune]
        for sweep in sweeps:
            while sweep():  # in as many transactions as it takes: others want to write as well
                self.hold("sweep")
        self._stores.notices.sweep(self._stores.clock.now())
        self._stores.closings.sweep()

    def _sweep_pages(self) -> bool:
        return self._stores.pages.sweep(PAGES_KEPT)

    def _prune(self) -> bool:
        return self._changes_kept is not None and self._stores.feed.prune(self._changes_kept)

    def claim(self, name: str, every: timedelta) -> bool:
        """Claim a round: of all beats, one has it."""
        return self._stores.rounds.claim(name, every * _EARLY)

    def hold(self, name: str) -> None:
        """Keep a round that takes its time: nobody else may begin the next meanwhile."""
        self._stores.rounds.hold(name)

    def put_off(self, uid: str) -> None:
        """Let a location rest over which something of ours stumbled."""
        location = self._find(uid)
        if location is not None:
            self._stores.streams.put_off(location.id, self._stores.clock.now() + _BUG_REST)

    def _find(self, uid: str) -> Location | None:
        """Give a location, if it is watched still."""
        try:
            location = self._stores.locations.find(uid)
        except UnknownLocation:
            return None
        return location if location.is_watched else None
