"""What dies, is emptied, comes twice or never: the crawl ends by itself, and exact."""

import contextlib
import os
import signal
import time

import pytest
from celery import Celery

from settings import celery_url
from tests.support.cluster import running_cluster

from .test_crawl import assert_in_step

#: Long enough for something to happen in the middle.
LATENCY = 250

#: How much later than without trouble a crawl may end, and what a busy machine may add to that.
PATIENCE = 30 + 15


@pytest.fixture(scope="module")
def lonely(tmp_path_factory):
    """An installation that a test may break, as long as it comes round again."""
    with running_cluster(tmp_path_factory.mktemp("lonely"), locations=12, latency=LATENCY) as cluster:
        yield cluster


def end(running):
    """Wait for a sync to end well, and tell how long that took."""
    begun = time.monotonic()
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, out + err
    return time.monotonic() - begun


def assert_borne(place, running):
    """A sync came to its good end all the same, and nobody takes what happened for a bug."""
    assert end(running) < PATIENCE
    assert_in_step(place)
    assert "a bug" not in place.cluster.log()


def test_an_emptied_redis(lonely):
    """FLUSHALL in mid-crawl: queue, chord and permits are gone, and the ledger brings them back."""
    place = lonely.add()
    running = lonely.start("sync", place.name)
    lonely.await_pages(10, of="assignments")
    with lonely.redis() as redis:
        redis.flushall()
    assert end(running) < PATIENCE
    assert_in_step(place)


def test_a_killed_sync(lonely):
    """A sync that is killed loses nothing: the workers go on, and the next sync only waits."""
    place = lonely.add()
    running = lonely.start("sync", place.name)
    lonely.await_pages(10, of="assignments")
    running.kill()
    running.communicate()
    place.sync()
    assert_in_step(place)
    assert max(place.traffic()["by_page"].values()) <= 2


def test_pages_that_come_twice(lonely):
    """Messages that are delivered twice, at the same time too, store once and never make a sixth request."""
    place = lonely.add()
    running = lonely.start("sync", place.name)
    crawl = lonely.await_pages(5, of="assignments")
    app = Celery(broker=celery_url(lonely.env["PAGETURNER_REDIS_URL"]), set_as_current=False)
    for index in list(range(1, 40)) * 3:
        arguments = (place.uid, crawl.id, crawl.round, index)
        app.send_task("pageturner.page", arguments, task_id=f"{crawl.id}.{crawl.round}.{index}", queue="page")
    app.close()
    end(running)
    assert_in_step(place)
    assert "Traceback" not in lonely.log()
    asked = [count for page, count in place.traffic()["by_page"].items() if page.startswith("assignments/")]
    assert max(asked) == 1


def test_callbacks_that_come_early_and_twice(lonely):
    """A reconcile that nobody asked for changes nothing."""
    place = lonely.add()
    running = lonely.start("sync", place.name)
    crawl = lonely.await_pages(5, of="assignments")
    app = Celery(broker=celery_url(lonely.env["PAGETURNER_REDIS_URL"]), set_as_current=False)
    for number in range(20):
        app.send_task("pageturner.reconcile", (crawl.id,), queue="seed")
        app.send_task("pageturner.publish", (crawl.id,), queue="publish", task_id=f"early-{number}")
    end(running)
    for _ in range(5):
        app.send_task("pageturner.reconcile", (crawl.id,), queue="seed")
        app.send_task("pageturner.publish", (crawl.id,), queue="publish")
    app.close()
    assert_in_step(place)
    pages = [count for page, count in place.traffic()["by_page"].items() if page.startswith("assignments")]
    assert max(pages) == 1
    assert len(place.changes("assignments")) == 2000


def test_a_revoked_page(lonely):
    """A page task that somebody revokes does not stall its crawl."""
    place = lonely.add()
    running = lonely.start("sync", place.name)
    crawl = lonely.await_pages(5, of="assignments")
    app = Celery(broker=celery_url(lonely.env["PAGETURNER_REDIS_URL"]), set_as_current=False)
    for index in (25, 30):
        app.control.revoke(f"{crawl.id}.{crawl.round}.{index}")
    app.close()
    assert end(running) < PATIENCE
    assert_in_step(place)


def test_a_database_that_restarts(lonely):
    """A database that drops all its connections in mid-crawl is waited for."""
    place = lonely.add()
    running = lonely.start("sync", place.name)
    lonely.await_pages(10, of="assignments")
    with lonely.database() as database, contextlib.suppress(Exception), database.once() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
    assert_borne(place, running)


def test_a_redis_that_hiccups(lonely):
    """A Redis that drops all connections in mid-crawl, several times, fails nobody."""
    place = lonely.add()
    running = lonely.start("sync", place.name)
    for count in (5, 15, 25):
        lonely.await_pages(count, of="assignments")
        with lonely.redis() as redis:
            redis.client_kill_filter(_type="normal")
    assert_borne(place, running)


def test_retry_after(lonely):
    """A Retry-After stops all requests of that location until it is over, and costs nobody an attempt."""
    place = lonely.add()
    place.fail({"resource": "assignments", "page": 9, "kind": "status", "status": 429, "headers": {"Retry-After": "3"}})
    running = lonely.start("sync", place.name)
    end(running)
    assert_in_step(place)
    assert place.traffic()["seconds"] > 3


def test_a_killed_worker(lonely):  # the last: one worker is fewer from here on
    """SIGKILL of one of two workers in mid-crawl: what it held is done by the other."""
    place = lonely.add()
    running = lonely.start("sync", place.name)
    lonely.await_pages(10, of="assignments")
    os.kill(lonely.workers[0].pid, signal.SIGKILL)
    assert end(running) < PATIENCE
    assert_in_step(place)
