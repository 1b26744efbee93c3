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

from storage.errors import StorageError

if TYPE_CHECKING:
    from tasks.services import Services

log = logging.getLogger(__name__)

#: How often is looked.
LOOK_SECONDS = 0.5

#: A watcher hears something this often, so that a connection that is dead is noticed.
_BEAT_SECONDS = 15.0


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
            while not self._is_over:
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
        """Look until nobody watches any more."""
        while self._topics and not self._is_over:
            for watched in list(self._topics.values()):
                try:
                    if await run_in_threadpool(_refresh, watched):
                        watched.changed.set()
                        watched.changed = asyncio.Event()
                except StorageError as error:  # it comes back, or the page says so when it is loaded anew
                    log.warning("A screen cannot be read: %s", error)
            await asyncio.sleep(LOOK_SECONDS)


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
