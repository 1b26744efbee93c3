"""Which location the bearer of a request stands for, by secrets that were read a moment ago."""

import threading

import pytest

from entrypoints.web.webhook.bearers import FRESH_SECONDS, LOOK_SECONDS, BearerCheck
from storage.clock import VirtualClock
from storage.errors import DatabaseAway
from storage.notice_secrets import digest_of_secret


class Secrets:
    """The secrets of a database, and how often they were read."""

    def __init__(self) -> None:
        self.by_uid: dict[str, list[str]] = {"1": ["one"], "2": ["two", "newer"], "3": []}
        self.reads = 0

    def __call__(self) -> dict[str, list[str]]:
        """Return their digests."""
        self.reads += 1
        return {uid: [digest_of_secret(one) for one in some] for uid, some in self.by_uid.items()}


@pytest.fixture
def secrets() -> Secrets:
    """Three locations, one of which has no secret."""
    return Secrets()


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture
def check(secrets, clock) -> BearerCheck:
    """A check that has read the secrets, with one secret for all locations."""
    made = BearerCheck(secrets, ["service"], clock)
    made.refresh()
    return made


@pytest.mark.parametrize(
    ("bearer", "uid", "judged"),
    [
        ("one", None, (True, "1")),
        ("newer", None, (True, "2")),
        ("service", None, (True, None)),
        ("wrong", None, (False, None)),
        ("", None, (False, None)),
        ("one", "1", (True, "1")),
        ("one", "2", (False, "2")),
        ("service", "3", (True, "3")),
        ("service", "9", (False, "9")),
        ("wrong", "3", (False, "3")),
        ("wrong", "9", (False, "9")),
    ],
)
def test_whom_a_bearer_speaks_for(check, bearer, uid, judged):
    """A secret of a location stands for that location alone; the service's for every location that is kept."""
    assert check.judge(bearer, uid) == judged


def test_a_known_bearer_costs_no_read(check, clock):
    """Within a second a known secret is judged without the database; an unknown one soon has it read again."""
    assert not check.is_stale("one")
    assert not check.is_stale("service")
    assert not check.is_stale("wrong")
    clock.sleep(LOOK_SECONDS)
    assert not check.is_stale("one")
    assert check.is_stale("wrong")
    clock.sleep(FRESH_SECONDS)
    assert check.is_stale("one")


def test_a_new_secret_is_found(check, secrets):
    """A secret that was made a moment ago is valid after the next read, and a revoked one is not."""
    secrets.by_uid["1"] = ["renewed"]
    check.refresh()
    assert check.judge("renewed", None) == (True, "1")
    assert check.judge("one", None) == (False, None)
    assert check.knows("3")
    assert not check.knows("9")


class WatchedClock(VirtualClock):
    """A clock that knows how many other threads have asked it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Semaphore(0)

    def monotonic(self) -> float:
        """Return the virtual seconds that have passed."""
        if threading.current_thread() is not threading.main_thread():
            self.asked.release()
        return super().monotonic()


def test_many_at_once_share_a_read(secrets: Secrets):
    """Of those who come while the secrets are read, one reads them once more, and all others go by that."""
    clock = WatchedClock()

    def read() -> dict[str, list[str]]:
        if not secrets.reads:
            for one in others:
                one.start()
            assert all(clock.asked.acquire(timeout=30) for _ in others)
        clock.sleep(1.0)
        return secrets()

    check = BearerCheck(read, [], clock)
    others = [threading.Thread(target=check.refresh) for _ in range(5)]
    clock.sleep(1.0)
    check.refresh()
    for one in others:
        one.join()
    assert secrets.reads == 2
    clock.sleep(FRESH_SECONDS)
    assert check.is_stale("one")


def test_a_database_that_is_away_is_no_verdict(clock):
    """If the secrets cannot be read, the caller gets that error; what was read before stays."""

    def read() -> dict[str, list[str]]:
        raise DatabaseAway

    check = BearerCheck(read, ["service"], clock)
    with pytest.raises(DatabaseAway):
        check.refresh()
    assert check.judge("service", None) == (True, None)
