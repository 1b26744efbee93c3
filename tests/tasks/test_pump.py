"""The pump of a process: it shows that the process lives, unless one of its tasks hangs, and compares the clocks."""

import json
import os
import subprocess
import sys

import pytest

from entrypoints.embedded import processes
from storage.sealer import make_key

_HANG = """
import json, sys
from pathlib import Path
from tasks import app, pump
heartbeat = Path(sys.argv[1])
one = pump.Pump(heartbeat)
page, tick = app.tasks["pageturner.page"], app.tasks["pageturner.tick"]
seen = []
def look():
    heartbeat.unlink(missing_ok=True)
    one._live()
    seen.append(heartbeat.exists())
look()
pump._begin(task_id="quick", task=page)
look()
pump._running["slow"] = pump.time.monotonic() - pump.HANGING_SECONDS - 1
look()
seen.append(pump.hanging())
pump._end(task_id="slow")
look()
pump._begin(task_id="chore", task=tick)
pump._end(task_id="quick")
seen.append(sorted(pump._running))
print(json.dumps(seen))
"""

_CLOCKS = """
import json, logging
from datetime import datetime, timedelta, UTC
from tasks import pump
from tasks.services import services
lines = []
class Handler(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
pump.log.addHandler(Handler())
for seconds in (0, 2, 90, -90):
    services().store.database.now = lambda: datetime.now(UTC) - timedelta(seconds=seconds)
    pump._compare_clocks()
print(json.dumps(lines))
"""

_WITHOUT_BROKER = """
import json
from kombu.exceptions import OperationalError
from tasks.services import services
services().gate._memory.open_epoch()
services().use_cases.closings.restore()
raised = ""
try:
    services().queue.sync("1")
except OperationalError:
    raised = "OperationalError"
seen = services().gate.look("1")
print(json.dumps([raised, services().gate.knows("1", "sync."), seen.waiting, seen.shut_seconds > 0]))
"""


@pytest.fixture
def run(redis, redis_url, tmp_path):
    """Return a function that runs a program in a process of its own, and returns what it printed as JSON."""
    assert redis.ping()
    env = {**os.environ, "PAGETURNER_HOME": str(tmp_path), "PAGETURNER_REDIS_URL": redis_url}
    env |= {"PAGETURNER_DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}", "PAGETURNER_SECRET_KEYS": make_key()}

    def start(program: str, *arguments: str, **more: str):
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(
            command, env=env | more, cwd=processes.ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return start


def test_a_task_that_hangs(run, tmp_path):
    """The heartbeat goes on while tasks end in time, and stops while one hangs; a chore may be slow."""
    assert run(_HANG, str(tmp_path / "heart" / "1")) == [True, True, False, ["slow"], True, []]


def test_clocks_that_differ(run):
    """A clock that is more than some seconds off is logged, with its direction; less is not worth a line."""
    ahead, behind = run(_CLOCKS)
    assert ahead.startswith("The clock of this host is 90 s ahead of the database's")
    assert behind.startswith("The clock of this host is 90 s behind the database's")


def test_what_a_broker_does_not_take_waits(run):
    """A message that the broker does not take is an error to who sends it, and waits at its gate all the same."""
    assert run(_WITHOUT_BROKER, PAGETURNER_BROKER_URL="amqp://guest@127.0.0.1:9//") == [
        "OperationalError",
        True,
        1,
        True,
    ]
