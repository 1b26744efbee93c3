"""Events: sent while somebody listens, and not otherwise."""

import os
import subprocess
import sys

from entrypoints.embedded import processes

_LOOK = """
import contextlib
from types import SimpleNamespace
from celery.events import EventReceiver
from tasks import app
from tasks.events import EventSwitch

dispatcher = SimpleNamespace(groups={"worker"})
switch = EventSwitch(SimpleNamespace(event_dispatcher=dispatcher))

def look():
    switch.look()
    print("task" in dispatcher.groups)

look()
heard = []

def look_beside(routing_key):
    with app.connection_for_read() as connection:
        receiver = EventReceiver(connection, handlers={"*": heard.append}, routing_key=routing_key, app=app)
        with receiver.consumer_context() as (listening, *_), contextlib.suppress(TimeoutError):
            with contextlib.suppress(TimeoutError):
                listening.drain_events(timeout=0.5)  # it subscribes only now
            look()
            listening.drain_events(timeout=1)

look_beside("#")
look_beside("worker.#")
look()
print(heard)
EventSwitch(SimpleNamespace(event_dispatcher=None)).look()
everything = SimpleNamespace(groups=set())  # as with `celery worker -E`
EventSwitch(SimpleNamespace(event_dispatcher=everything)).look()
assert not everything.groups
"""


def test_switched_by_who_listens(redis, redis_url, tmp_path):
    """Events of tasks are on while somebody hears them, who hears nothing of being counted.

    Other workers, which listen to events of workers alone, do not count.
    """
    assert redis.ping()
    env = {**os.environ, "PAGETURNER_HOME": str(tmp_path), "PAGETURNER_REDIS_URL": redis_url}
    command = [sys.executable, "-c", _LOOK]
    done = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "True", "False", "False", "[]"]
