"""The queue on Celery and its twin in memory do the same with what they are sent."""

import json
import os
import subprocess
import sys

import pytest

from entrypoints.embedded import processes
from orchestration.gate import Gate
from orchestration.gate.local_memory import LocalMemory
from orchestration.memory.queue import MemoryBroker, MemoryQueue
from storage.clock import VirtualClock
from storage.sealer import make_key
from tests.support.queue_driver import drive


def drive_in_memory():
    """Drive the twin."""
    memory = LocalMemory(VirtualClock())
    memory.open_epoch()
    memory.note_restored(memory.epoch())
    gate = Gate(memory, longest_request=60.0)
    return drive(MemoryQueue(MemoryBroker(), gate), gate)


def drive_celery(redis_url, home):
    """Drive the queue on Celery, in a process of its own."""
    env = {**os.environ, "PAGETURNER_HOME": str(home), "PAGETURNER_REDIS_URL": redis_url}
    env |= {"PAGETURNER_DATABASE_URL": f"sqlite:///{home / 'test.db'}", "PAGETURNER_SECRET_KEYS": make_key()}
    command = [sys.executable, "-m", "tests.support.queue_driver"]
    done = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(params=["celery", "memory"])
def seen(request, tmp_path):
    """What was seen at the gates after everything was sent."""
    if request.param == "memory":
        return drive_in_memory()
    request.getfixturevalue("redis")
    return drive_celery(request.getfixturevalue("redis_url"), tmp_path)


def test_what_is_sent_waits_once_at_its_gate(seen):
    """Each message waits under a computed id, once however often it is sent, and a handful goes to the broker."""
    assert seen["seed"] == {"admitted": 1, "waiting": 0, "known": True}
    assert seen["round"] == {"admitted": 7, "waiting": 14, "known": True}
    assert seen["follow"] == {"admitted": 1, "waiting": 0, "known": True}
    assert seen["sync"] == {"admitted": 2, "waiting": 0, "known": True}


def test_publishes_that_wait_are_seen(seen):
    """Whether messages to publish wait for a worker is known: nothing else tells that one was not lost."""
    assert seen["publish"] == [False, True]
