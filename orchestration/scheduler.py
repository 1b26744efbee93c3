"""The scheduler's chores: find what is due, and queue a task for each location.

A chore can be claimed a little before its interval is over, so that a beat that is early is not lost. Any number of
beats may run.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from apple.notices import wanted_by
from storage.ledger.pages import PAGES_KEPT
from storage.store import Store

from .names import Namer
from .queue import TaskQueue

log = logging.getLogger(__name__)

#: How often each chore is done.
TICK_EVERY = timedelta(seconds=2)
TEND_EVERY = timedelta(seconds=5)
REFRESH_EVERY = timedelta(minutes=1)
SWEEP_EVERY = timedelta(minutes=10)
NAMES_EVERY = timedelta(seconds=10)
DELIVER_EVERY = timedelta(seconds=2)
TELL_EVERY = timedelta(seconds=30)

#: A chore may come early by this share of its interval: clocks and queues are not exact.
_EARLY = 0.8

#: How many locations a tick begins at most; the others are due in the next.
_AT_ONCE = 500

#: How many locations one refresh asks Apple about.
_CONFIGS_AT_ONCE = 50


class Scheduler:
    """Does the chores that are due."""

    def __init__(self, store: Store, queue: TaskQueue, namer: Namer, changes_kept: timedelta | None = None) -> None:
        self._store = store
        self._queue = queue
        self._namer = namer
        #: How long changes are kept in the feed; None for ever.
        self._changes_kept = changes_kept

    def tick(self) -> None:
        """Handle the remaining notices, and queue a sync of every location with a due stream."""
        if not self.claim("tick", TICK_EVERY):
            return
        self._store.notices.handle(wanted_by)
        self._send(self._store.streams.claim_due(self._store.now(), _AT_ONCE))

    def refresh(self) -> None:
        """Queue a check of the tokens that were not checked for a day, some at a time."""
        if self.claim("refresh", REFRESH_EVERY):
            mended = self._store.streams.mend_future(self._store.now())
            if mended:
                log.warning("A clock was wrong: %d streams were dated in the future, and are read again.", mended)
            for uid in self._store.locations.claim_unasked(_CONFIGS_AT_ONCE):
                self._queue.refresh(uid)

    def name(self) -> None:
        """Queue a lookup of names, if any is due."""
        if self.claim("names", NAMES_EVERY):
            self._namer.send()

    def sweep(self) -> None:
        """Delete what has been kept long enough."""
        if not self.claim("sweep", SWEEP_EVERY):
            return
        sweeps: list[Callable[[], bool]] = [self._sweep_pages, self._store.syncs.sweep, self._prune_feed]
        for sweep in sweeps:
            while sweep():  # in many short transactions: others want to write as well
                self.keep("sweep")
        self._store.notices.sweep(self._store.now())
        self._store.closings.sweep()
        self._store.waits.sweep(self._store.now())
        self._store.asset_days.sweep(self._store.now())
        self._store.alerts.sweep(self._store.now())

    def claim(self, name: str, every: timedelta) -> bool:
        """Claim a chore: True for one of all the beats that send it."""
        return self._store.chores.claim(name, every * _EARLY)

    def keep(self, name: str) -> None:
        """Renew the claim of a long chore, so that no other process begins the next one meanwhile."""
        self._store.chores.keep(name)

    def _send(self, uids: Sequence[str]) -> None:
        """Queue syncs of locations that are claimed."""
        try:
            for uid in uids:
                self._queue.sync(uid)
        except Exception:
            self._store.streams.release(uids)
            raise

    def _sweep_pages(self) -> bool:
        return self._store.pages.sweep(PAGES_KEPT)

    def _prune_feed(self) -> bool:
        return self._changes_kept is not None and self._store.feed.prune(self._changes_kept)
