"""Hooks: tell programs what changed, each location in the order of the feed, at least once."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice

from storage.errors import Pruned
from storage.hooks import Hook, HookPosition
from storage.mirror.feed import Change, Extent, Sieve
from storage.store import Store

from .decisions.delivery import changes_event, encode, headers, next_try, restart_event
from .hook_client import HookAnswer
from .metrics import Metrics

#: How many changes one delivery has at most.
BATCH = 500

#: How many deliveries are under way at a time.
_AT_ONCE = 16

#: A hook that does not answer is left alone for so long, before another location of it is tried.
_REST = timedelta(seconds=30)

#: A round ends after this; what is left is for the next. The last delivery of it may take as long again.
_ROUND_SECONDS = 20.0
_LEASE = timedelta(seconds=60)

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
        if not self._store.hooks.all():  # a lease is a write, and most installations have no hooks
            return 0
        now = self._store.now()
        hooks = {one.name: one for one in self._store.hooks.lease(now, now + _LEASE)}
        try:
            return self._deliver(hooks, now)
        finally:
            self._store.hooks.release(list(hooks))

    def test(self, hook: Hook) -> str | None:
        """Send a hook an event that is of nothing; return why it was not taken, or None."""
        event = {"type": "test", "timestamp": self._store.now().isoformat(), "data": {}}
        answer = self._send(hook, f"test.{self._store.now().timestamp():.0f}", encode(event))
        return None if answer.is_taken else answer.words

    def _deliver(self, hooks: Mapping[str, Hook], now: datetime) -> int:
        extent, until = self._store.feed.extent(), time.monotonic() + _ROUND_SECONDS
        due = [one for one in self._store.hooks.due(now) if one.hook in hooks]
        down = {hook.name for hook in hooks.values() if not self._keeps_up(hook, due, extent)}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return sum(pool.map(lambda one: self._tell(hooks[one.hook], one, extent, down, until), _interleaved(due)))

    def _keeps_up(self, hook: Hook, due: Sequence[HookPosition], extent: Extent) -> bool:
        """Return whether a hook can go on: its feed is this one, and what comes next is kept. Else it begins anew."""
        is_other = self._store.hooks.feeds()[hook.name] != extent.name
        if not is_other and all(one.seq >= extent.pruned for one in due if one.hook == hook.name):
            return True
        now = self._store.now()
        if hook.rest_until is None or hook.rest_until <= now:
            event_id = f"{extent.name}.restart.{extent.last}"
            if self._send(hook, event_id, encode(restart_event(extent.name, extent.last, now))).is_taken:
                self._store.hooks.begin_anew(hook.name, extent.name, extent.last)
            else:
                self._store.hooks.rest(hook.name, now + _REST)
        return False

    def _tell(self, hook: Hook, position: HookPosition, extent: Extent, down: set[str], until: float) -> int:
        """Tell a hook of a location, batch after batch, as long as it takes them; return how many it took."""
        taken = 0
        while hook.name not in down and time.monotonic() < until:
            batch = self._batch(hook, position)
            if batch is None:
                return taken
            changes, last = batch
            if not changes:  # nothing of it is for this hook
                self._store.hooks.note_taken(position, last)
            elif not self._try(hook, position, extent, changes, last, down):
                return taken
            else:
                taken += 1
            position = _moved(position, last)
        return taken

    def _batch(self, hook: Hook, position: HookPosition) -> tuple[Sequence[Change], int] | None:
        """Return the next changes of a location that a hook is told of, and the last number of all that there are."""
        try:
            some = list(islice(self._store.feed.after(position.seq, Sieve(uid=position.uid)), BATCH))
        except Pruned:
            return None  # the next round has the hook begin anew
        if position.last is not None:
            some = [one for one in some if one.seq <= position.last]
        if not some:
            return None
        wanted = [one for one in some if hook.resources is None or one.resource in hook.resources]
        return wanted, some[-1].seq

    def _try(
        self, hook: Hook, position: HookPosition, extent: Extent, changes: Sequence[Change], last: int, down: set[str]
    ) -> bool:
        self._store.hooks.begin(position, last)
        body = encode(changes_event(hook, position, extent.name, changes))
        answer = self._send(hook, f"{extent.name}.{position.uid}.{last}", body)
        if answer.is_taken:
            self._store.hooks.note_taken(position, last)
            return True
        now, attempts = self._store.now(), position.attempts + 1
        again = next_try(attempts, position.failing_since, now, answer.retry_after)
        spread = timedelta(seconds=random.uniform(0.0, 2.0))  # noqa: S311 - no secret
        self._store.hooks.note_failed(position, answer.words, None if again is None else again + spread)
        if answer.is_gone:
            self._store.hooks.note_gone(hook.name)
        if answer.is_gone or answer.is_down:
            down.add(hook.name)
            self._store.hooks.rest(hook.name, now + _REST)
        return False

    def _send(self, hook: Hook, event_id: str, body: bytes) -> HookAnswer:
        signed = headers(self._store.hooks.secret(hook.name), event_id, body, self._store.now())
        answer = self._post(hook.url, signed, body)
        self._metrics.count("deliveries", hook=hook.name, outcome="taken" if answer.is_taken else "failed")
        return answer


def _interleaved(due: Sequence[HookPosition]) -> list[HookPosition]:
    """Put positions in an order in which the hooks take turns: one that is slow does not hold up the others."""
    turns: dict[str, int] = {}
    order = []
    for one in due:
        turns[one.hook] = turns.get(one.hook, 0) + 1
        order.append((turns[one.hook], one))
    return [one for _, one in sorted(order, key=lambda pair: pair[0])]


def _moved(position: HookPosition, seq: int) -> HookPosition:
    return HookPosition(
        **{**vars(position), "seq": seq, "last": None, "attempts": 0, "failing_since": None, "error": None}
    )
