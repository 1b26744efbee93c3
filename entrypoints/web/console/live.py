"""Live screens: what is looked at changes in the browser when it changes in the database.

One task a process looks for all who watch: twice a second it asks of each address that is watched what changes when
its screen does, and only then reads and renders the screen, once, however many watch it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from storage.errors import DatabaseAway, StorageError

if TYPE_CHECKING:
    from tasks.services import Services

log = logging.getLogger(__name__)

#: How often is looked.
LOOK_SECONDS = 0.5

#: A watcher hears something this often, so that a connection that is dead is noticed.
_BEAT_SECONDS = 15.0

#: So many screens are read side by side.
_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Topic:
    """What is watched: an address, as it is shown to those with one right."""

    address: str
    access: str


@dataclass(kw_only=True)
class _Watched:
    """A topic that somebody watches."""

    #: Both are called in a thread.
    pulse: Callable[[], Hashable]
    render: Callable[[], str]
    seen: Hashable = "nothing yet"
    shown: str = ""
    count: int = 0
    watchers: int = 0
    #: Whether it is looked at now, and whether there is nothing to look at any more.
    is_busy: bool = False
    is_gone: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Live:
    """The screens that are watched in this process."""

    def __init__(self) -> None:
        self._topics: dict[Topic, _Watched] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_over = False

    async def watch(
        self, topic: Topic, pulse: Callable[[], Hashable], render: Callable[[], str]
    ) -> AsyncGenerator[str | None]:
        """Yield what is shown each time that it changes, the present state first; and None now and then."""
        watched = self._topics.setdefault(topic, _Watched(pulse=pulse, render=render))
        watched.watchers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_on())
        seen = 0
        try:
            while not (self._is_over or watched.is_gone):
                if watched.count != seen:
                    seen = watched.count
                    yield watched.shown
                    continue
                try:
                    await asyncio.wait_for(watched.changed.wait(), _BEAT_SECONDS)
                except TimeoutError:
                    yield None
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                self._topics.pop(topic, None)

    def close(self) -> None:
        """End all watching: the server stops."""
        self._is_over = True
        for watched in self._topics.values():
            watched.changed.set()

    async def _look_on(self) -> None:
        """Look until nobody watches any more. A screen that takes long holds no other up."""
        turns, looks = asyncio.Semaphore(_AT_ONCE), set[asyncio.Task[None]]()
        while self._topics and not self._is_over:
            for watched in list(self._topics.values()):
                if not watched.is_busy:
                    watched.is_busy = True
                    look = asyncio.create_task(_look_at(watched, turns))
                    looks.add(look)
                    look.add_done_callback(looks.discard)
            await asyncio.sleep(LOOK_SECONDS)


async def _look_at(watched: _Watched, turns: asyncio.Semaphore) -> None:
    """Look at one topic, and tell those who watch it of a change; or that it is no more."""
    try:
        async with turns:
            is_new = await run_in_threadpool(_refresh, watched)
    except DatabaseAway as error:  # it comes back
        log.warning("A screen cannot be read: %s", error)
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, it is of this topic alone
        log.warning("A screen is no longer shown live: %s", error)
        watched.is_gone = is_new = True
    finally:
        watched.is_busy = False
    if is_new:
        watched.changed.set()
        watched.changed = asyncio.Event()


def _refresh(watched: _Watched) -> bool:
    """Render what is shown, if that has changed since; return whether it has."""
    pulse = watched.pulse()
    if pulse == watched.seen:
        return False
    watched.shown, watched.seen = watched.render(), pulse
    watched.count += 1
    return True


class FeedWatch:
    """Looks for all who wait for a change of the mirror: one row is read twice a second, however many wait."""

    def __init__(self) -> None:
        self.is_over = False
        self._last = -1
        self._moved = asyncio.Event()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None

    async def moved(self, services: "Services", seq: int, seconds: float) -> None:
        """Wait until the feed is beyond a number, or until the time is up."""
        self._waiting += 1
        if self._task is None or self._task.done():
            self._last = -1  # what was seen when somebody last waited may be of another feed
            self._task = asyncio.create_task(self._look_on(services))
        try:
            async with asyncio.timeout(seconds):
                while self._last <= seq and not self.is_over:
                    await self._moved.wait()
        except TimeoutError:
            return
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End all waiting: the server stops."""
        self.is_over = True
        self._moved.set()

    async def _look_on(self, services: "Services") -> None:
        while self._waiting and not self.is_over:
            try:
                last = (await run_in_threadpool(services.store.feed.extent)).last
            except StorageError as error:
                log.warning("The feed cannot be read: %s", error)
            else:
                if last != self._last:
                    self._last = last
                    self._moved.set()
                    self._moved = asyncio.Event()
            await asyncio.sleep(LOOK_SECONDS)
