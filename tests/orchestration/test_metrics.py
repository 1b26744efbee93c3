"""What processes count, and how it is added up in Redis."""

import threading

import pytest
from redis import Redis
from redis.exceptions import RedisError

from orchestration.metrics import BUCKETS, Metrics, MetricsStore


@pytest.fixture
def metrics() -> Metrics:
    """A process that has counted nothing."""
    return Metrics()


@pytest.fixture
def store(redis: Redis) -> MetricsStore:
    """What all processes counted: nothing."""
    return MetricsStore(redis)


def numbers(store: MetricsStore) -> dict[tuple[str, str], float]:
    """Return what was counted, by name and resource."""
    return {(one.name, one.labels.get("resource", "")): one.value for one in store.read()}


def test_processes_add_up(store, metrics):
    """What two processes count of one thing is one number; other labels are another one."""
    other = Metrics()
    metrics.count("pages", resource="assets")
    metrics.count("pages", 2, resource="users")
    other.count("pages", 5, resource="assets")
    for one in (metrics, other):
        store.add(one)
    assert numbers(store) == {("pages", "assets"): 6, ("pages", "users"): 2}


def test_nothing_is_added_twice(store, metrics):
    """What was added is not added again, and nothing costs no request."""
    metrics.count("pages")
    metrics.count("records", 0)
    store.add(metrics)
    store.add(metrics)
    assert numbers(store) == {("pages", ""): 1}


def test_what_redis_does_not_take_is_kept(metrics):
    """If Redis is away, the counts wait in the process for the next time."""
    metrics.count("pages")
    away = MetricsStore(Redis.from_url("redis://127.0.0.1:9", retry=None))
    with pytest.raises(RedisError):
        away.add(metrics)
    assert metrics.take() == {'["pages", {}]': 1}


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [(0.0, "0.05"), (0.05, "0.05"), (0.051, "0.1"), (60.0, "60"), (61.0, "+Inf")],
)
def test_a_duration_has_its_bucket(metrics, seconds, bound):
    """A duration is counted below the next bound, and all seconds are added up."""
    metrics.observe("page_seconds", seconds)
    counts = metrics.take()
    assert counts[f'["page_seconds_bucket", {{"le": "{bound}"}}]'] == 1
    assert counts.get('["page_seconds_sum", {}]', 0) == seconds


def test_bounds_grow():
    """The bounds of the buckets are in order: a duration has exactly one."""
    assert list(BUCKETS) == sorted(set(BUCKETS))


def test_threads_lose_no_count(metrics):
    """Threads that count at once, while another takes what there is, lose nothing."""
    taken: list[float] = []

    def count() -> None:
        for _ in range(2000):
            metrics.count("pages")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += metrics.take().values()
    taken += metrics.take().values()
    assert sum(taken) == 8000
