"""How many wrong requests a source may send before it is refused without a look."""

import pytest

from entrypoints.web.throttle import Throttle
from storage.clock import VirtualClock

BURST = 200
PER_SECOND = 10.0


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture
def throttle(clock) -> Throttle:
    """A throttle by that clock."""
    return Throttle(BURST, PER_SECOND, clock)


def fill(throttle: Throttle, source: str, times: int = BURST) -> None:
    """Count wrong requests of a source."""
    for _ in range(times):
        throttle.count(source)


def test_a_burst_is_borne(throttle):
    """A source may be wrong as often as the burst at once, and not once more."""
    fill(throttle, "192.0.2.1", BURST - 1)
    assert not throttle.is_over("192.0.2.1")
    fill(throttle, "192.0.2.1", 1)
    assert throttle.is_over("192.0.2.1")


def test_each_source_has_its_own_count(throttle):
    """A source that is refused takes nothing from another."""
    fill(throttle, "192.0.2.1")
    assert not throttle.is_over("192.0.2.2")


def test_time_gives_back(throttle, clock):
    """In the long run a source may be wrong a few times a second; no rest earns more than one burst."""
    fill(throttle, "192.0.2.1")
    clock.sleep(0.5 / PER_SECOND)
    assert throttle.is_over("192.0.2.1")
    clock.sleep(1.0 / PER_SECOND)
    assert not throttle.is_over("192.0.2.1")
    clock.sleep(86_400)
    fill(throttle, "192.0.2.1")
    assert throttle.is_over("192.0.2.1")


def test_a_network_of_ipv6_is_one_source(throttle):
    """A customer has a whole network of the newer addresses: they share one count."""
    fill(throttle, "2001:db8:1:2::1")
    assert throttle.is_over("2001:db8:1:2:ffff::9")
    assert not throttle.is_over("2001:db8:1:3::1")


def test_sources_without_an_address_are_one(throttle):
    """What a proxy names and is no address counts as one source, however it is spelt."""
    fill(throttle, "unknown")
    assert throttle.is_over("_hidden")


def test_sources_are_forgotten(throttle):
    """However many sources there are, memory is bounded: the least recent is forgotten."""
    fill(throttle, "192.0.2.1")
    for number in range(10_000):
        throttle.count(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
    assert not throttle.is_over("192.0.2.1")
    assert len(throttle._sources) == 10_000
