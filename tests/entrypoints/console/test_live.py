"""Screens that are watched: one look for all who watch, and nobody waits for another."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

import requests

from entrypoints.web.console import live
from entrypoints.web.console.live import FeedWatch, Live, Topic
from storage.errors import DatabaseAway
from storage.mirror.feed import Extent

TOPIC = Topic(address="/crawls/1.live", access="read")


@dataclass
class Screen:
    """A screen that counts how often it is looked at, and rendered."""

    pulse: int = 0
    looks: int = 0
    renders: int = 0
    errors: list[Exception] = field(default_factory=list)

    def look(self) -> int:
        """Return what changes."""
        self.looks += 1
        if self.errors:
            raise self.errors.pop()
        return self.pulse

    def render(self) -> str:
        """Return what is shown."""
        self.renders += 1
        return f"shown {self.pulse}"


async def first(watching: AsyncGenerator[str | None]) -> str:
    """Return what is shown next."""
    async for shown in watching:
        if shown is not None:
            return shown
    raise AssertionError("it is over")


def test_many_watch_one_screen(monkeypatch):
    """However many watch, it is rendered once for each change, and not looked at when nobody watches any more."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)

    async def play() -> None:
        watched, screen = Live(), Screen()
        some = [watched.watch(TOPIC, screen.look, screen.render) for _ in range(50)]
        assert await asyncio.gather(*map(first, some)) == ["shown 0"] * 50
        assert screen.renders == 1
        screen.pulse = 1
        assert await asyncio.gather(*map(first, some)) == ["shown 1"] * 50
        assert screen.renders == 2
        for one in some:
            await one.aclose()
        assert watched._task is not None
        async with asyncio.timeout(60):
            await watched._task  # it looks on for as long as somebody watches

    asyncio.run(play())


def test_a_slow_watcher_skips_what_is_old(monkeypatch):
    """One that was away for some changes is shown the last, and holds nobody up."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)

    async def play() -> None:
        watched, screen = Live(), Screen()
        slow, quick = (watched.watch(TOPIC, screen.look, screen.render) for _ in range(2))
        await first(slow)
        await first(quick)
        for number in range(1, 4):
            screen.pulse = number
            assert await first(quick) == f"shown {number}"
        assert await first(slow) == "shown 3"
        watched.close()

    asyncio.run(play())


def test_a_database_that_is_away_ends_nothing(monkeypatch):
    """What is watched goes on when it is back."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)

    async def play() -> None:
        watched, screen = Live(), Screen(errors=[DatabaseAway(), DatabaseAway()])
        assert await first(watched.watch(TOPIC, screen.look, screen.render)) == "shown 0"
        watched.close()

    asyncio.run(play())


def test_a_watcher_hears_that_it_is_not_forgotten(monkeypatch):
    """Where nothing changes, something is said now and then: a dead connection is noticed by that."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(live, "_BEAT_SECONDS", 0.05)

    async def play() -> None:
        watched, screen = Live(), Screen()
        watching = watched.watch(TOPIC, screen.look, screen.render)
        assert await first(watching) == "shown 0"
        assert await anext(watching) is None
        watched.close()
        with contextlib.suppress(StopAsyncIteration):
            await anext(watching)

    asyncio.run(play())


def test_one_row_is_read_for_all_who_wait(monkeypatch, filled, services):
    """A hundred who wait for a change cost as much as one."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.05)
    looks: list[int] = []
    extent: Callable[[], Extent] = services.store.feed.extent

    def look() -> Extent:
        looks.append(1)
        return extent()

    monkeypatch.setattr(services.store.feed, "extent", look)
    last = extent().last

    async def play() -> None:
        watch = FeedWatch()
        waiting = [asyncio.create_task(watch.moved(services, last, 600)) for _ in range(100)]
        await asyncio.sleep(0.3)
        assert not any(one.done() for one in waiting)
        assert len(looks) < 20
        crawl = filled.read(filled.stream(filled.location, "users"), [{"clientUserId": "bob"}], version="v2")
        await asyncio.to_thread(filled.publish, crawl)
        async with asyncio.timeout(60):
            await asyncio.gather(*waiting)
        await watch.moved(services, extent().last, 0.1)
        watch.close()

    asyncio.run(play())


def test_a_page_is_sent_when_it_changes(serve, filled):
    """The part of the page that may change comes as events, the present state first."""
    door = serve()
    parts: list[str] = []
    is_shown = threading.Event()

    def listen() -> None:
        with requests.get(f"{door.origin}/changes.live", stream=True, timeout=60) as answer:
            for line in answer.iter_lines(decode_unicode=True):
                parts.append(line)
                if line.startswith("data: "):
                    is_shown.set()
                if "bob" in line:
                    return

    listening = threading.Thread(target=listen)
    listening.start()
    assert is_shown.wait(60)
    assert "bob" not in str(parts)
    filled.publish(filled.read(filled.stream(filled.location, "users"), [{"clientUserId": "bob"}], version="v2"))
    listening.join(60)
    assert not listening.is_alive()
    assert all(line == "" or line.startswith(("data: ", ":")) or line == "data:" for line in parts)


def test_one_screen_that_breaks_ends_no_other(monkeypatch):
    """Those who watch it are sent away; all others go on."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)

    async def play() -> None:
        watched, good, bad = Live(), Screen(), Screen(errors=[KeyError("gone")])
        other = Topic(address="/crawls/2.live", access="read")
        first_good = watched.watch(TOPIC, good.look, good.render)
        assert await first(first_good) == "shown 0"
        assert [shown async for shown in watched.watch(other, bad.look, bad.render)] == []
        good.pulse = 1
        assert await first(first_good) == "shown 1"
        watched.close()

    asyncio.run(play())


def test_what_does_not_exist_is_not_watched(serve):
    """It is told at once, as on the page."""
    assert serve().get("/crawls/9999.live").status_code == 404
