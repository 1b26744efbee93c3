"""RabbitMQ as the broker: everything works as on Redis, which stays for the gate and the results."""

import contextlib
import os
import signal

import pytest

from apple.notices import Notice
from apple.resources import RESOURCES
from entrypoints.embedded import processes
from orchestration.decisions.timetable import COLLECT, GAP
from storage.notices import Notices
from tests.support.cluster import NUMBERED, SIZE, bare_cluster
from tests.support.flower import running_flower
from tests.support.processes import COMMAND, LATENCY_MS, running_workers
from tests.support.rabbitmq import rabbitmq_server
from tests.support.servers import redis_server
from tests.support.site import await_true, await_under_way


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory):
    """An installation on RabbitMQ, with two workers and a beat."""
    home = tmp_path_factory.mktemp("rabbit")
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(rabbitmq_server())
        redis = stack.enter_context(redis_server())
        simulator = ("--locations", "8", "--latency", str(LATENCY_MS), *SIZE)
        cluster = stack.enter_context(bare_cluster(home, *simulator, redis=redis))
        cluster.env |= {"PAGETURNER_BROKER_URL": broker}
        cluster.workers = stack.enter_context(running_workers(cluster.env, log=home / "workers.log"))
        yield cluster


@pytest.fixture
def beat(rabbit):
    """A beat for the length of a test."""
    with (rabbit.home / "beat.log").open("ab") as log:
        child = processes.start([COMMAND, "beat"], log=log, env=rabbit.env)
    yield child
    processes.stop(child)


def assert_exact(place, resources=NUMBERED):
    """The mirror is what Apple has, and Apple was never asked for a sixth thing at once."""
    for resource in resources:
        assert place.mirror(resource) == place.truth(resource)
    assert place.traffic()["most_in_flight"] <= 5


def test_every_resource_is_read(rabbit):
    """Pages, cursors and batches, fully and by what changed."""
    place = rabbit.add(*RESOURCES)
    place.sync()
    assert_exact(place, RESOURCES)
    place.change(resource="assignments", insert=20, remove=10)
    place.change(resource="users", update=5)
    place.sync()
    assert_exact(place, RESOURCES)


@pytest.mark.usefixtures("beat")
def test_the_clock_ticks(rabbit):
    """A new location is read without anybody's asking, and again in its time; Flower lists it."""
    place = rabbit.add(*NUMBERED)
    await_true(lambda: all(stream["seen_at"] for stream in place.status()["streams"]), "it is in step")
    assert_exact(place)
    with running_flower(rabbit.env) as flower:
        place.sync("--full")
        assert flower.await_task("pageturner.page")


@pytest.mark.usefixtures("beat")
def test_what_a_notice_wants_waits_at_the_gate(rabbit):
    """A sync that waits for the rest of a burst does so at the gate, not in RabbitMQ."""
    place = rabbit.add(*NUMBERED)
    await_true(lambda: all(stream["seen_at"] for stream in place.status()["streams"]), "it is in step")
    place.change(resource="assignments", insert=4, remove=4)
    with rabbit.database() as database:
        Notices(database).store([Notice(uid=place.uid, id="1", type="ASSET_MANAGEMENT")])
    seconds = await_true(lambda: place.mirror("assignments") == place.truth("assignments"), "it is mirrored")
    assert seconds >= min(COLLECT, GAP).total_seconds() / 2


def test_a_worker_may_die(rabbit):
    """What a killed worker held is delivered again, and nothing is lost."""
    place = rabbit.add(*NUMBERED)
    with rabbit.apple.slowed(0.25):
        running = rabbit.start("sync", place.name)
        await_under_way(place, running)
        os.kill(rabbit.workers[0].pid, signal.SIGKILL)
        out, err = running.communicate(timeout=120)
    assert running.returncode == 0, out + err
    assert_exact(place)
    rabbit.workers[0].wait()
