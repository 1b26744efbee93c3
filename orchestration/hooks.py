"""Hooks: tell programs what changed, each location in the order of the feed, at least once."""

import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from storage.errors import DatabaseAway, Pruned, StorageError
from storage.hooks import Hook, HookPosition
from storage.mirror.feed import Change, Extent, Sieve
from storage.store import Store

from .decisions.delivery import changes_event, encode, headers, next_try, restart_event
from .hook_client import HookAnswer
from .metrics import Metrics

log = logging.getLogger(__name__)

#: How many changes one delivery has at most.
BATCH = 500

#: How many hooks are told at a time, and of how many locations each.
_HOOKS_AT_ONCE = 8
_LOCATIONS_AT_ONCE = 4

#: A hook that does not answer is left alone for so long, before another location of it is tried.
_REST = timedelta(seconds=30)

#: A round ends after this; what is left is for the next. One delivery takes no longer than 20 seconds.
_ROUND_SECONDS = 20.0

#: For so long a hook is one process's; each delivery prolongs that.
_LEASE = timedelta(seconds=120)

#: Sends something to an address.
Post = Callable[[str, Mapping[str, str], bytes], HookAnswer]


class HookSender:
    """Delivers what hooks were not told yet."""

    def __init__(self, store: Store, post: Post, metrics: Metrics) -> None:
        self._store = store
        self._post = post
        self._metrics = metrics

    def deliver(self) -> int:
        """Deliver what is due, and return how many deliveries were taken."""
        now = self._store.now()
        hooks = [one for one in self._store.hooks.all() if _is_awake(one, now)]
        if not hooks:
            return 0
        extent = self._store.feed.extent()
        with ThreadPoolExecutor(_HOOKS_AT_ONCE) as pool:
            return sum(pool.map(lambda hook: self._safely(hook, extent), hooks))

    def test(self, hook: Hook) -> str | None:
        """Send a hook an event that is of nothing; return why it was not taken, or None."""
        event = {"type": "test", "timestamp": self._store.now().isoformat(), "data": {}}
        answer = self._send(hook, f"test.{self._store.now().timestamp():.0f}", encode(event))
        return None if answer.is_taken else answer.words

    def _safely(self, hook: Hook, extent: Extent) -> int:
        """Tell one hook; what goes wrong with it keeps no other from being told."""
        try:
            return self._deliver(hook, extent)
        except DatabaseAway:
            raise
        except Exception as error:  # the outermost handler of one hook: it may have been removed meanwhile
            log.warning("%s is not told: %s", hook.name, error, exc_info=not isinstance(error, StorageError))
            return 0

    def _deliver(self, hook: Hook, extent: Extent) -> int:
        """Tell one hook what it was not told yet, unless another process does."""
        if hook.feed == extent.name and not self._store.hooks.due(hook.name, self._store.now()):
            return 0
        who = uuid.uuid4().hex
        if not self._store.hooks.lease(hook.name, who, self._store.now() + _LEASE):
            return 0
        try:
            if hook.feed != extent.name:
                return self._restart(hook, extent)
            telling = _Telling(self, hook, extent, who)
            with ThreadPoolExecutor(_LOCATIONS_AT_ONCE) as pool:
                return sum(pool.map(telling.tell, self._store.hooks.due(hook.name, self._store.now())))
        finally:
            self._store.hooks.release(hook.name, who)

    def _restart(self, hook: Hook, extent: Extent) -> int:
        """Have a hook begin anew that was told of another feed."""
        now = self._store.now()
        event = restart_event(extent.name, extent.last, now)
        answer = self._send(hook, f"{extent.name}.restart.{extent.last}", encode(event))
        if answer.is_taken:
            self._store.hooks.begin_anew(hook, extent.name, extent.last)
            return 1
        if answer.is_gone:
            self._store.hooks.note_gone(hook.name)
        again = next_try(hook.attempts + 1, hook.failing_since, now, answer.retry_after)
        self._store.hooks.note_stuck(hook, answer.words, again)
        return 0

    def _send(self, hook: Hook, event_id: str, body: bytes) -> HookAnswer:
        signed = headers(self._store.hooks.secret(hook.name), event_id, body, self._store.now())
        answer = self._post(hook.url, signed, body)
        self._metrics.count("deliveries", hook=hook.name, outcome="taken" if answer.is_taken else "failed")
        return answer


class _Telling:
    """One round of telling one hook."""

    def __init__(self, sender: HookSender, hook: Hook, extent: Extent, who: str) -> None:
        self._sender = sender
        self._store = sender._store  # noqa: SLF001 - a part of it
        self._hook = hook
        self._extent = extent
        self._who = who
        self._until = time.monotonic() + _ROUND_SECONDS
        #: Whether the hook would take nothing more just now.
        self._is_down = False

    def tell(self, position: HookPosition) -> int:
        """Tell of a location, batch after batch, as long as they are taken; return how many were.

        Nothing that goes wrong with one location, or one hook, keeps others from being told.
        """
        try:
            return self._tell(position)
        except DatabaseAway:
            raise
        except StorageError as error:
            log.warning("%s is not told of %s: %s", self._hook.name, position.name, error)
        except Exception:  # the outermost handler of one location
            log.exception("%s is not told of %s.", self._hook.name, position.name)
            self._store.hooks.note_failed(position, "A bug: please report it.", self._store.now() + _REST)
        return 0

    def _tell(self, position: HookPosition) -> int:
        taken = 0
        while not self._is_down and time.monotonic() < self._until:
            if not self._store.hooks.lease(self._hook.name, self._who, self._store.now() + _LEASE):
                return taken
            if position.seq < position.pruned_seq:
                return taken + self._skip(position)
            batch = self._batch(position)
            if batch is None:
                return taken
            changes, last = batch
            if changes and not self._try(position, changes, last):
                return taken
            if not self._store.hooks.note_taken(position, last):
                return taken  # somebody has changed what it is to be told
            taken += bool(changes)
            position = replace(position, seq=last, last=None, attempts=0, failing_since=None, error=None)
        return taken

    def _batch(self, position: HookPosition) -> tuple[Sequence[Change], int] | None:
        """Return the next changes of a location that the hook is told of, and the last number of all that there are."""
        try:
            some = list(islice(self._store.feed.after(position.seq, Sieve(uids=[position.uid])), BATCH))
        except Pruned:
            return None  # the next round finds what is no longer kept
        if position.last is not None:
            some = [one for one in some if one.seq <= position.last] or some
        if not some:
            return None
        resources = self._hook.resources
        wanted = [one for one in some if resources is None or one.resource in resources]
        return wanted, some[-1].seq

    def _try(self, position: HookPosition, changes: Sequence[Change], last: int) -> bool:
        if not self._store.hooks.begin(position, last):
            return False
        event_id = f"{self._extent.name}.{position.uid}.{position.seq}-{last}.{position.generation}"
        return self._send(position, event_id, encode(changes_event(self._hook, position, self._extent.name, changes)))

    def _skip(self, position: HookPosition) -> int:
        """Have the hook take a location anew, of which changes that it was not told of are no longer kept."""
        if not self._store.hooks.begin(position, self._extent.last):
            return 0
        event = restart_event(self._extent.name, self._extent.last, self._store.now(), position)
        event_id = f"{self._extent.name}.{position.uid}.restart.{self._extent.last}.{position.generation}"
        if not self._send(position, event_id, encode(event)):
            return 0
        self._store.hooks.note_taken(position, self._extent.last)
        return 1

    def _send(self, position: HookPosition, event_id: str, body: bytes) -> bool:
        answer = self._sender._send(self._hook, event_id, body)  # noqa: SLF001 - a part of it
        if answer.is_taken:
            return True
        now = self._store.now()
        again = next_try(position.attempts + 1, position.failing_since, now, answer.retry_after)
        spread = timedelta(seconds=random.uniform(0.0, 2.0))  # noqa: S311 - no secret
        self._store.hooks.note_failed(position, answer.words, None if again is None else again + spread)
        if answer.is_gone:
            self._store.hooks.note_gone(self._hook.name)
        if answer.is_gone or answer.is_down:
            self._is_down = True
            self._store.hooks.rest(self._hook.name, now + max(_REST, timedelta(seconds=answer.retry_after or 0.0)))
        return False


def _is_awake(hook: Hook, now: datetime) -> bool:
    is_resting = hook.rest_until is not None and hook.rest_until > now
    return hook.gone_at is None and hook.dead_at is None and not is_resting
