"""The Celery side: found by its own command line, gated both ways, and not to be frozen."""

import json
import os
import re
import subprocess
import sys

import pytest
import sqlalchemy as sa
from celery import Celery

from entrypoints.embedded import processes
from settings import celery_url
from storage.schema import crawls
from storage.sealer import make_key
from tasks.configuration import VISIBILITY_SECONDS, settings
from tests.support.flower import running_flower


@pytest.fixture(scope="module")
def run_celery(cluster):
    """Run the celery command against the installation."""

    def run(*arguments):
        command = [sys.executable, "-m", "celery", "-A", "tasks", *arguments]
        return subprocess.run(command, env=cluster.env, cwd=processes.ROOT, capture_output=True, text=True, timeout=60)

    return run


_NAMES = ("follow", "page", "publish", "reconcile", "refresh", "refresh_all", "seed", "sweep", "sync", "tend", "tick")
TASKS = {f"pageturner.{name}" for name in _NAMES}


def test_registered(run_celery):
    """`celery -A tasks inspect registered` lists every task by its own name, on every worker."""
    done = run_celery("inspect", "registered", "--json")
    assert done.returncode == 0, done.stderr
    workers = json.loads(done.stdout)
    assert len(workers) == 2
    assert all(set(names) >= TASKS for names in workers.values())


def test_settings_that_were_measured():
    """What keeps a crashed worker's messages from being lost is set."""
    assert settings["worker_pool"] == "threads"
    assert settings["task_acks_late"]
    assert settings["task_reject_on_worker_lost"]
    options = settings["broker_transport_options"]
    assert isinstance(options, dict)
    assert options["visibility_timeout"] == VISIBILITY_SECONDS
    assert settings["task_ignore_result"]


_FAN_OUT = """
import threading
from tasks import app
from tasks.services import services
from types import SimpleNamespace
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
barrier, done = threading.Barrier(16), []
def fan_out(thread):
    barrier.wait()
    for number in range(thread, 40, 16):
        words = {"name": "hq", "resource": "assignments", "kind": "full", "total": 20}
        crawl = SimpleNamespace(uid=f"location-{number}", id=number, round=1, **words)
        services().queue.round(crawl, range(1, 41))
        done.append(number)
threads = [threading.Thread(target=fan_out, args=(thread,)) for thread in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(done), sum(services().gate.look(f"location-{number}").waiting for number in range(40)))
"""


def test_sixteen_threads_fan_out_forty_seeds(redis, redis_url, tmp_path):
    """All threads fan out at once, and none of them waits for ever for another's producer."""
    env = {
        **os.environ,
        "PAGETURNER_HOME": str(tmp_path),
        "PAGETURNER_REDIS_URL": redis_url,
        "PAGETURNER_DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}",
        "PAGETURNER_SECRET_KEYS": "A" * 43 + "=",
    }
    command = [sys.executable, "-c", _FAN_OUT]
    done = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["40", str(40 * (40 - 7))], done.stderr
    assert redis.llen("page") == 40 * 7


_HOLD_A_GATE = """
import json
from entrypoints.cli.context import with_gate
from orchestration.gate import Message
with with_gate() as services:
    services.gate._memory.open_epoch()
    services.use_cases.closings.restore()
    services.gate.shut("1", 0.5)
    page = {"task": "pageturner.page", "args": ["1", 7, 1, 3], "kwargs": {}, "options": {"queue": "page"}}
    services.gate.park("1", [Message(id="7.1.3", payload=json.dumps(page))], 3)
    input()
"""


def test_a_command_publishes_messages_of_others(redis, redis_url, tmp_path):
    """A command that holds a gate looks after all gates: a page that workers parked reaches the broker through it."""
    env = {
        **os.environ,
        "PAGETURNER_HOME": str(tmp_path),
        "PAGETURNER_REDIS_URL": redis_url,
        "PAGETURNER_DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}",
        "PAGETURNER_SECRET_KEYS": "A" * 43 + "=",
    }
    command = [sys.executable, "-c", _HOLD_A_GATE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=env, cwd=processes.ROOT, stdin=pipe, stdout=pipe, text=True) as child:
        published = redis.blpop(["page"], timeout=60)
        child.communicate("\n", timeout=30)
    assert published is not None
    assert json.loads(published[1])["headers"]["id"] == "7.1.3"


def test_thousands_of_messages_do_not_collapse(cluster):
    """A queue of thousands, that nobody asked for, is worked off; the crawl behind it is exact, and none is a sixth."""
    place = cluster.add()
    with cluster.redis() as redis:
        app = Celery(broker=celery_url(cluster.env["PAGETURNER_REDIS_URL"]), set_as_current=False)
        app.control.cancel_consumer("page", reply=True)  # so that the queue grows, however quick the workers are
        with cluster.database() as database:
            place.sync("--resource", "assets")
            with database.read() as connection:
                crawl = connection.scalar(sa.select(sa.func.max(crawls.c.id)))
        for number in range(4000):
            app.send_task("pageturner.page", (place.uid, crawl, 0, number), queue="page")
        assert redis.llen("page") == 4000
        app.control.add_consumer("page", reply=True)
        app.close()
    place.sync()
    assert place.mirror("assignments") == place.truth("assignments")
    assert place.traffic()["most_in_flight"] <= 5


def test_flower_shows_pages(cluster):
    """Flower lists page tasks soon after it was started: by location, list and page, and with what they came to."""
    place = cluster.add()
    with running_flower(cluster.env) as flower:
        while not (tasks := flower.tasks("pageturner.page")):  # it may miss those of its first second
            place.sync("--full")
    assert re.fullmatch(rf"{place.name} [a-z-]+ page \d+ of \d+", tasks[0]["args"])
    assert re.fullmatch(r"\d+ records?", tasks[0]["result"])


def test_flower_shows_failures(cluster):
    """What fails a crawl is a failure in Flower too, with its reason."""
    place = cluster.add()
    with running_flower(cluster.env) as flower:
        while not flower.tasks("pageturner.seed"):  # it may miss those of its first second
            place.sync("--full")
        cluster.apple.set_token("revoked", place.uid)
        cluster.run("sync", place.name)
        failed = flower.await_task("pageturner.seed", state="FAILURE")
    assert "revoked" in failed[0]["exception"]


def test_nothing_is_subscribed_to(cluster):
    """However many crawls there were, Redis has no more channels than after the first."""
    place = cluster.add()
    place.sync()
    with cluster.redis() as redis:
        before = len(redis.pubsub_channels())
        for _ in range(3):
            place.sync("--full")
        assert len(redis.pubsub_channels()) == before


_ROUNDS = """
from tasks import app
for _ in range(50):
    app.tasks["pageturner.tick"].apply_async()
"""


def test_rounds_do_not_pile_up(redis, redis_url, tmp_path):
    """A scheduler without workers leaves a handful of messages behind, however long it goes on."""
    env = {**os.environ, "PAGETURNER_HOME": str(tmp_path), "PAGETURNER_REDIS_URL": redis_url}
    env |= {"PAGETURNER_DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}", "PAGETURNER_SECRET_KEYS": make_key()}
    command = [sys.executable, "-c", _ROUNDS]
    done = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 0 < redis.llen("clock") <= 10


_GIVE_UP = """
import sqlalchemy as sa
from tasks import app
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
services().queue.sync("1")
assert services().gate.knows("1", "sync.")
with services().store.database.write() as connection:
    connection.execute(sa.text("ALTER TABLE locations RENAME TO gone"))
app.tasks["pageturner.sync"].apply(("1",), task_id="sync.1")
services().gate.renew()
print(services().gate.knows("1", "sync."))
"""


def test_what_cannot_be_given_up_leaves_the_gate(redis, redis_url, copied_database, tmp_path):
    """A task that fails, and fails again while that is noted, keeps no later one of its id from being sent."""
    assert redis.ping()
    env = {**os.environ, "PAGETURNER_HOME": str(tmp_path), "PAGETURNER_REDIS_URL": redis_url}
    env |= {"PAGETURNER_DATABASE_URL": copied_database, "PAGETURNER_SECRET_KEYS": make_key()}
    command = [sys.executable, "-c", _GIVE_UP]
    done = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
    assert "could not be given up" in done.stderr
