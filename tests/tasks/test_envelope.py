"""Envelopes: what the gate's script puts into a queue is what Celery would have published."""

import base64
import json
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from entrypoints.embedded import processes

#: Publishes a chord of pages twice: once through the gate's script, once by Celery alone; prints what the queue has.
_BOTH_WAYS = """
import json
from celery import Task, chord
from tasks import app
from tasks.crowd import crowded
from tasks.gated import GatedTask
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
page, reconcile = app.tasks["pageturner.page"], app.tasks["pageturner.reconcile"]

def send():
    header = [page.si("ünïcode \\\\u0000 \\n '", 7, 1, index).set(task_id=f"7.1.{index}") for index in range(1, 6)]
    header[3].set(argsrepr="told")
    header[4].set(argsrepr="told otherwise")
    chord(header, reconcile.si(7).on_error(reconcile.si(7))).set(task_id="7.1").apply_async()

def published():
    redis = services().needs.gate._memory._redis
    found = [json.loads(one) for one in redis.lrange("page", 0, -1)]
    redis.delete("page")
    return found

with crowded():
    send()
through_the_gate = published()
GatedTask.apply_async = Task.apply_async
send()
print(json.dumps([through_the_gate, published()]))
"""


def run(program, env, *arguments):
    """Run a program and return what it prints."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def plain(message):
    """Return a message without its tag, which each delivery has anew, and with its body decoded."""
    body = json.loads(base64.b64decode(message["body"]))
    properties = {name: value for name, value in message["properties"].items() if name != "delivery_tag"}
    return message | {"body": body, "properties": properties}


def test_the_same_as_celery_publishes(env):
    """Each page of a chord has every field that Celery gives it, whatever characters its arguments are of."""
    ours, celerys = json.loads(run(_BOTH_WAYS, env))
    assert len({one["properties"]["delivery_tag"] for one in ours}) == 5
    assert list(map(plain, ours)) == list(map(plain, celerys))


#: Sends a round of a crawl twice: as the queue does, and by Celery alone as a chord of its signatures, which it copies.
_ROUND_BOTH_WAYS = """
import json
from types import SimpleNamespace
from celery import Task, chord
from tasks import app
from tasks.gated import GatedTask
from tasks.queue import CeleryQueue, told
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
words = {"name": "school-17", "resource": "assignments", "kind": "full", "total": 25}
crawl = SimpleNamespace(uid="1", id=7, round=2, **words)
page, reconcile = app.tasks["pageturner.page"], app.tasks["pageturner.reconcile"]

def published():
    redis = services().needs.gate._memory._redis
    found = [json.loads(one) for one in redis.lrange("page", 0, -1)]
    redis.delete("page")
    return found

def send(indexes):
    header = [
        page.si("1", 7, 2, index).set(task_id=f"7.2.{index}", argsrepr=told(crawl, index)) for index in indexes
    ]
    body = reconcile.si(7).set(argsrepr="school-17 assignments").on_error(reconcile.si(7))
    chord(header, body).set(task_id="7.2").apply_async()

CeleryQueue().round(crawl, [1, 2, 24])
ours = published()
GatedTask.apply_async = Task.apply_async
send([1, 2, 24])
print(json.dumps([ours, published()]))
"""


def test_parts_are_as_celerys_signatures(env):
    """What the queue sends of a round has every field of the signatures that Celery would copy and send."""
    ours, celerys = json.loads(run(_ROUND_BOTH_WAYS, env))
    assert len(ours) == 3
    assert list(map(plain, ours)) == list(map(plain, celerys))


#: Sends syncs and seeds twice: once through the gate's script, once by Celery alone; from no task, and from two.
_ALONE_BOTH_WAYS = """
import json
from celery import Task
from celery._state import _task_stack
from tasks import app
from tasks import envelope
from tasks.gated import GatedTask
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
made = []
_make = envelope._make
envelope._make = lambda task, *more: made.append(task.name) or _make(task, *more)
sync, seed = app.tasks["pageturner.sync"], app.tasks["pageturner.seed"]

def send_some(uid):
    sync.apply_async((uid,), task_id=f"sync.{uid}")
    seed.apply_async((uid, 7, 1), task_id=f"{uid}7.1.0", argsrepr=f"ünïcode '{uid}'")

def send():
    send_some("1")
    for root in ("root", None):
        for uid in ("2", "3"):
            sync.push_request(id=f"parent-of-{uid}", root_id=root)
            _task_stack.push(sync)
            send_some(f"{uid}{root}")
            _task_stack.pop()
            sync.pop_request()

def published():
    redis = services().needs.gate._memory._redis
    found = [json.loads(one) for one in redis.lrange("seed", 0, -1)]
    redis.delete("seed")
    return found

send()
through_the_gate = published()
GatedTask.apply_async = Task.apply_async
send()
print(json.dumps([through_the_gate, published(), made]))
"""


def test_messages_of_no_chord_are_as_celery_publishes_them(env):
    """A message has every field that Celery gives it, also which tasks it follows from, however many are alike."""
    ours, celerys, made = json.loads(run(_ALONE_BOTH_WAYS, env))
    assert (len(ours), made) == (10, ["pageturner.sync", "pageturner.seed"])
    assert list(map(plain, ours)) == list(map(plain, celerys))


#: Sends a sync for later, twice, and one for now; prints when each is to begin.
_LATER = """
import json
from tasks import app
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
sync = app.tasks["pageturner.sync"]
sync.apply_async(("1",), task_id="sync.1", countdown=5)
sync.apply_async(("2",), task_id="sync.2", countdown=5)
sync.apply_async(("3",), task_id="sync.3")
redis = services().gate._memory._redis
print(json.dumps([json.loads(one)["headers"]["eta"] for one in redis.lrange("seed", 0, -1)]))
"""


def test_a_moment_is_computed_for_each_message(env):
    """No message is made from one that carries a moment."""
    now, second, first = json.loads(run(_LATER, env))
    assert now is None
    assert first < second


_TOLD = """
import json
from types import SimpleNamespace
from tasks import app
from tasks.queue import CeleryQueue
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
crawl = SimpleNamespace(uid="1", id=7, round=1, name="school-17", resource="assignments", kind="full", total=25)
CeleryQueue().round(crawl, [1, 23])
CeleryQueue().follow(SimpleNamespace(**vars(crawl) | {"id": 8, "total": None, "resource": "subscriptions"}), 2)
redis = services().gate._memory._redis
print(json.dumps([json.loads(one)["headers"]["argsrepr"] for one in redis.lrange("page", 0, -1)]))
"""


def test_flower_reads_as_crawls(env):
    """What Flower shows of a task names its location, its list, and which page it is."""
    assert sorted(json.loads(run(_TOLD, env))) == [
        "school-17 assignments page 2 of 25",
        "school-17 assignments page 24 of 25",
        "school-17 subscriptions page 3",
    ]


_PUBLISHED_AGAIN = """
import json
from tasks import app
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
app.tasks["pageturner.sync"].apply_async(("1",), task_id="sync.1")
gate = services().gate
for _ in range(100):  # many times in a millisecond
    gate.start("1", "sync.1")
    assert gate.park_again("1", "sync.1", 0.0) == []
redis = gate._memory._redis
print(json.dumps([json.loads(one)["properties"]["delivery_tag"] for one in redis.lrange("seed", 0, -1)]))
"""


def test_each_delivery_has_a_tag_of_its_own(env):
    """A message that is let through again is another delivery to the broker: acknowledging one leaves the others."""
    tags = json.loads(run(_PUBLISHED_AGAIN, env))
    assert len(tags) == len(set(tags)) == 101


_CHANGED_BROKER = """
import json
import sys
from types import SimpleNamespace
from tasks import app
from tasks.gated import GatedTask
from tasks.queue import CeleryQueue
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
redis = services().needs.gate._memory._redis
if sys.argv[1] == "before":  # all stay parked
    services().gate.shut('u"1', 3600.0)
    words = {"name": "hq", "resource": "assignments", "kind": "full", "total": 20}
    CeleryQueue().round(SimpleNamespace(uid='u"1', id=7, round=1, **words), range(1, 20))
else:
    redis.delete('gate:{u"1}:state')
    from tasks.gated import publish
    publish(services().gate._memory.admit('u"1').messages)
    with app.connection_for_write() as connection:
        queue = app.amqp.queues["page"](connection.default_channel)
        found = []
        while (message := queue.get()) is not None:
            found.append([message.headers["id"], message.decode()[0], message.headers["group"]])
            assert message.decode()[2]["chord"]["task"] == "pageturner.reconcile"
        print(json.dumps(found))
"""


@pytest.fixture
def another_broker(redis_url):
    """Another Redis than that of the gates: what Celery alone can publish to."""
    return {"PAGETURNER_BROKER_URL": urlsplit(redis_url)._replace(path="/5").geturl()}


def test_another_broker_afterwards(env, redis, another_broker):
    """What was parked for one broker is published to another, whose processes let it through."""
    run(_CHANGED_BROKER, env, "before")
    found = run(_CHANGED_BROKER, env | another_broker, "after")
    assert json.loads(found) == [[f"7.1.{index}", ['u"1', 7, 1, index], "7.1"] for index in range(1, 8)]
    assert redis.llen("page") == 0


_A_FEW = """
import json
from types import SimpleNamespace
from tasks import app
from tasks.queue import CeleryQueue
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
words = {"name": "hq", "resource": "assignments", "kind": "full", "total": 20}
CeleryQueue().round(SimpleNamespace(uid='u"1', id=7, round=1, **words), range(1, 4))
with app.connection_for_write() as connection:
    queue = app.amqp.queues["page"](connection.default_channel)
    found = []
    while (message := queue.get()) is not None:
        found.append([message.headers["id"], message.decode()[0]])
    print(json.dumps(found))
"""


@pytest.mark.parametrize("is_another", [False, True])
def test_a_chord_of_a_few_pages(env, is_another, another_broker):
    """A chord that fits into one script is published, after Celery has taken its producer back, whatever the broker."""
    found = run(_A_FEW, env | another_broker if is_another else env)
    assert json.loads(found) == [[f"7.1.{index}", ['u"1', 7, 1, index]] for index in range(1, 4)]


_OTHER_BROKER = """
from tasks import app
from tasks.envelope import seal
page = app.tasks["pageturner.page"]
print(repr(seal(page, ["1", 7, 1, 3], {}, "7.1.3", {}).queue))
"""


@pytest.mark.parametrize(
    ("broker", "queue"), [(None, "'page'"), ("amqp://127.0.0.1:5672//", "''"), ("redis://127.0.0.1:6379/5", "''")]
)
def test_who_publishes(env, broker, queue):
    """The gate's script hands over to a broker that is its own Redis; to any other, whoever lets a message through."""
    more = {} if broker is None else {"PAGETURNER_BROKER_URL": broker}
    assert run(_OTHER_BROKER, env | more).strip() == queue


_SEALED = """
from pydantic_settings import BaseSettings
from tasks import app
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()

def read(*_, **__):
    raise AssertionError("the settings were read again")

BaseSettings.__init__ = read
for number in (1, 2):
    app.tasks["pageturner.sync"].apply_async((str(number),), task_id=f"sync.{number}")
"""


def test_sending_reads_no_settings(env):
    """Reading the settings takes milliseconds: a process does it once, and not for each message."""
    run(_SEALED, env)
