"""Redis dies, refuses or is another one afterwards: workers live on, a sync waits, and the log says it once."""

import re
import time

import pytest

from tests.support.cluster import bare_cluster
from tests.support.processes import running_workers
from tests.support.sentry import running_sink
from tests.support.servers import StoppableRedis
from tests.support.site import await_true, await_under_way

from .test_crawl import assert_in_step
from .test_failures import PATIENCE

#: Through within seconds, and slow enough for something to happen in the middle.
SIZE: tuple[str, ...] = ("--locations", "4", "--assets", "20", "--assignments", "2000", "--users", "200")
SIZE += ("--page-size", "50", "--latency", "250")

#: How long Redis is away: longer than one moment between two tries.
AWAY_SECONDS = 4.0


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis that a test may take away."""
    redis = StoppableRedis(tmp_path_factory.mktemp("redis"))
    redis.start()
    yield redis
    redis.stop()


@pytest.fixture(scope="module")
def sink():
    """A Sentry of our own."""
    with running_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def cluster(server, sink, tmp_path_factory):
    """An installation on it, whose workers nobody would start again."""
    home = tmp_path_factory.mktemp("home")
    with bare_cluster(home, *SIZE, redis=server.url) as cluster:
        cluster.env["PAGETURNER_SENTRY_DSN"] = sink.dsn
        with running_workers(cluster.env, log=home / "workers.log") as cluster.workers:
            yield cluster


def kill(server):
    """Kill it, and start it again on what it had written down."""
    server.kill()
    time.sleep(AWAY_SECONDS)  # the outage itself
    server.start()


def empty(server):
    """Have an empty one take its place."""
    server.kill()
    time.sleep(AWAY_SECONDS)  # the outage itself
    server.forget()
    server.start()


def refuse(server):
    """Have it be another's replica for a while."""
    with server.client() as redis:
        redis.replicaof("127.0.0.1", "1")
        time.sleep(AWAY_SECONDS)  # the outage itself
        redis.replicaof("NO", "ONE")


@pytest.mark.parametrize("happens", [kill, empty, refuse], ids=lambda one: one.__name__)
def test_what_happens_to_redis(cluster, server, sink, happens):
    """A sync under way ends well soon after it, by the very workers that had begun it; nobody takes it for a bug."""
    place = cluster.add()
    said = len(cluster.log())
    running = cluster.start("sync", place.name)
    await_under_way(place, running, 10)
    happens(server)
    back = time.monotonic()
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, out + err
    assert time.monotonic() - back < PATIENCE
    assert happens is refuse or "does not answer" in err
    assert happens is refuse or "Waiting for up to 40 s" in err
    assert_in_step(place)
    assert place.traffic()["most_in_flight"] <= 5
    assert [worker.poll() for worker in cluster.workers] == [None, None]
    log = cluster.log()[said:]
    assert "Traceback" not in log
    assert sink.events() == []
    assert re.search(r"WARNING tasks\.outages .*Redis", log)
    assert len(re.findall(r" (?:WARNING|ERROR|CRITICAL) ", log)) <= 12  # of two workers: what begins, lasts and ends


def test_a_redis_that_stays_away(cluster, server):
    """A sync waits for a while, says so, and ends with 4; the next one goes on from there."""
    place = cluster.add()
    running = cluster.start("sync", place.name)
    await_under_way(place, running, 10)
    server.kill()
    _, err = running.communicate(timeout=120)
    assert running.returncode == 4, err
    assert err.count("Redis does not answer") == 2  # when the wait begins, and when it ends
    asked = place.traffic()["requests"]
    server.start()
    await_true(lambda: cluster.run("sync", place.name).returncode == 0, "it goes on", 120)
    assert_in_step(place)
    assert place.traffic()["requests"] - asked < 46
