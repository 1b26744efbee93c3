"""Several hosts: each with a home of its own, and nothing in common but Redis and the database."""

import contextlib
import time

import pytest

from tests.support.cluster import NUMBERED, SIZE, bare_cluster
from tests.support.processes import running_workers
from tests.support.servers import redis_server
from tests.support.site import await_under_way, kill

LATENCY = 200

#: Seconds for an answer: long beside what two hosts on one busy machine need until each of them has asked for pages.
SLOW = 1.0

#: A host takes twice as many messages as it has threads: one host alone cannot take the seven that are let through.
THREADS = 3


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two hosts with a worker each, and a third one that commands come from."""
    home = tmp_path_factory.mktemp("hosts")
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        simulator = ("--locations", "4", "--latency", str(LATENCY), *SIZE)
        cluster = stack.enter_context(bare_cluster(home, *simulator, redis=redis))
        workers = []
        for number in range(2):
            env = cluster.env | {"PAGETURNER_HOME": str(home / f"host-{number}")}
            log = home / f"host-{number}.log"
            workers += stack.enter_context(
                running_workers(env, processes_=1, threads=THREADS, log=log, log_level="DEBUG")
            )
        cluster.workers = workers
        yield cluster


def test_hosts_share_the_work(hosts):
    """Pages of one crawl come from both hosts, five at a time in all, and the mirror is exact."""
    place = hosts.add(*NUMBERED)
    with hosts.apple.slowed(SLOW, usual=LATENCY / 1000):
        place.sync()
    assert all(place.mirror(resource) == place.truth(resource) for resource in NUMBERED)
    assert place.traffic()["most_in_flight"] == 5
    for number in range(2):
        assert "stream=assignments] Page " in (hosts.home / f"host-{number}.log").read_text()


def test_a_host_may_be_lost(hosts):
    """A host that is gone in the middle of a crawl costs seconds; the other one ends it, exactly."""
    place = hosts.add(*NUMBERED)
    running = hosts.start("sync", place.name)
    await_under_way(place, running, 15)
    kill(hosts.workers[0])
    begun = time.monotonic()
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, out + err
    assert time.monotonic() - begun < 60
    assert all(place.mirror(resource) == place.truth(resource) for resource in NUMBERED)
    assert place.traffic()["most_in_flight"] <= 5
