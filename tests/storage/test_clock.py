"""Clocks: the database's, read now and then, and a virtual one."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from storage import clock as clocks
from storage.clock import AskedClock, SystemClock, SystemTimer, VirtualClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Server:
    """A server with a clock of its own, on a machine whose ticks the test counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ticks = 1000.0
        self.ahead = 0.0
        self.delay = 0.0
        self.asked = 0
        monkeypatch.setattr(clocks, "_ticks", lambda: self.ticks)

    def __call__(self) -> datetime:
        """Return the server's time; the answer takes a while each way."""
        self.asked += 1
        self.ticks += self.delay
        now = NOON + timedelta(seconds=self.ticks - 1000 + self.ahead)
        self.ticks += self.delay
        return now


@pytest.fixture
def server(monkeypatch) -> Server:
    """A server whose clock is right."""
    return Server(monkeypatch)


def test_an_answer_is_counted_on(server):
    """Between two reads the time goes on by the machine's own ticks, without a request."""
    clock = AskedClock(server)
    assert clock.now() == NOON
    server.ticks += 10
    assert clock.now() == NOON + timedelta(seconds=10)
    assert server.asked == 1


def test_it_is_asked_again(server):
    """After half a minute the server is asked again: its clock may have been set."""
    clock = AskedClock(server)
    clock.now()
    server.ahead = 3600
    server.ticks += 30
    assert clock.now() == NOON + timedelta(seconds=30)
    server.ticks += 1
    assert clock.now() == NOON + timedelta(seconds=3631)
    assert server.asked == 2


def test_a_slow_answer_is_of_its_middle(server):
    """An answer that takes a second each way was right in the middle: the clock is off by nothing."""
    server.delay = 1.0
    clock = AskedClock(server)
    assert clock.now() == NOON + timedelta(seconds=2)


def test_threads_share_an_answer(server):
    """However many threads ask at once, the server is asked once."""
    clock, barrier = AskedClock(server), threading.Barrier(8)
    seen: list[datetime] = []

    def ask() -> None:
        barrier.wait()
        seen.append(clock.now())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (set(seen), server.asked) == ({NOON}, 1)


def test_virtual_time_passes_by_sleep_alone():
    """What waits an hour takes no time, and nothing makes time go back."""
    clock = VirtualClock(NOON)
    clock.sleep(3600)
    clock.sleep(-10)
    assert clock.now() == NOON + timedelta(hours=1)
    assert clock.monotonic() == 3600


def test_the_system_has_a_clock_and_a_timer():
    """The host's clock is in UTC, and its timer never goes back."""
    assert SystemClock().now().tzinfo is UTC
    timer = SystemTimer()
    begun = timer.monotonic()
    timer.sleep(0)
    assert timer.monotonic() >= begun
