"""A database that keeps nothing, or that one host does not hear: Apple is not asked in vain, and others go on."""

import contextlib
import time
from dataclasses import dataclass

import psycopg
from celery import Celery

from entrypoints.embedded import processes
from settings import celery_url
from tests.support.cluster import bare_cluster, running_cluster
from tests.support.processes import running_workers
from tests.support.proxy import proxied
from tests.support.servers import redis_server
from tests.support.site import await_true, await_under_way

from .test_crawl import assert_in_step

#: Through within seconds, and slow enough for something to happen in the middle.
SIZE = ("--assets", "20", "--assignments", "2000", "--users", "200", "--page-size", "50", "--latency", "250")

#: How long a location may stand still for what only one host feels.
SOON = 30.0


def test_a_database_that_keeps_nothing(tmp_path):
    """Where nothing can be stored, Apple is asked a few times, and `sync` ends with 4 and the reason."""
    with running_cluster(tmp_path, processes=1, latency=250) as cluster:
        place = cluster.add()
        running = cluster.start("sync", place.name)
        await_under_way(place, running)
        set_read_only(cluster, "on")
        asked, begun = place.traffic()["requests"], time.monotonic()
        time.sleep(20)  # what is counted is what is asked in vain in that time
        in_vain = place.traffic()["requests"] - asked
        out, err = running.communicate(timeout=90)
        assert running.returncode == 4, out + err
        assert "cannot store anything" in err
        assert "read-only" in err
        assert in_vain <= 60
        lines = [line for line in cluster.log().splitlines() if "WARNING" in line or "ERROR" in line]
        assert len(lines) <= 5 + (time.monotonic() - begun) / 5
        set_read_only(cluster, "off")
        place.sync()
        assert_in_step(place)


def set_read_only(cluster, what):
    """Have a database be read alone, as after a failover."""
    with psycopg.connect(cluster.env["PAGETURNER_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {what}")
        connection.execute("SELECT pg_reload_conf()")


def test_one_host_loses_its_database(tmp_path):
    """A host whose connections to the database hang holds nobody up: the other one goes on within half a minute.

    Meanwhile it takes no messages; then it takes those again that it took before, and not what a person had it leave.
    """
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(bare_cluster(tmp_path, *SIZE, redis=stack.enter_context(redis_server())))
        proxy, url = stack.enter_context(proxied(cluster.env["PAGETURNER_DATABASE_URL"]))
        stack.enter_context(running_workers(cluster.env, processes_=1, log=tmp_path / "well.log"))
        lost = cluster.env | {"PAGETURNER_DATABASE_URL": url, "PAGETURNER_HOME": str(tmp_path / "lost")}
        stack.enter_context(running_lost(lost, tmp_path / "lost.log"))
        host = stack.enter_context(watched(cluster, "lost"))
        host.leave("publish")
        await_true(lambda: "publish" not in host.queues(), "it left the queue", 60)  # after it has answered
        taken = host.queues()
        assert taken
        place = cluster.add()
        running = cluster.start("sync", place.name)
        await_under_way(place, running)
        proxy.fall_silent()
        out, err = running.communicate(timeout=180)
        assert running.returncode == 0, out + err
        assert_in_step(place)
        assert place.traffic()["longest_pause"] < SOON
        await_true(lambda: not host.queues(), "it takes no messages", 60)
        proxy.speak()
        await_true(lambda: host.queues() == taken, "it takes messages again", 60)


@dataclass(frozen=True, kw_only=True)
class Host:
    """One worker as the broker's other clients see it."""

    app: Celery
    node: str

    def queues(self) -> set[str]:
        """Name the queues that it takes messages from."""
        answers = self.app.control.inspect([self.node], timeout=10).active_queues() or {}
        return {queue["name"] for queue in answers[self.node]}

    def leave(self, queue: str) -> None:
        """Have it take nothing more from a queue."""
        self.app.control.cancel_consumer(queue, destination=[self.node], reply=True, timeout=10)


@contextlib.contextmanager
def watched(cluster, name):
    """Find a worker by its name."""
    with contextlib.closing(
        Celery(broker=celery_url(cluster.env["PAGETURNER_REDIS_URL"]), set_as_current=False)
    ) as app:
        [node] = [node for node in app.control.inspect(timeout=10).ping() if node.startswith(f"{name}@")]
        yield Host(app=app, node=node)


@contextlib.contextmanager
def running_lost(env, log):
    """Run one more worker, from when it has started."""
    with log.open("ab") as file:
        child = processes.start(processes.worker_command(8, "lost"), log=file, env=env)
        try:
            await_true(lambda: "ready" in log.read_text(), "the other host works")
            yield child
        finally:
            processes.stop(child)
