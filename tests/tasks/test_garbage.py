"""Garbage: what lasts as long as a process is not looked through, and everything else is collected."""

import os
import subprocess
import sys

import pytest

from entrypoints.embedded import processes

#: Makes a cycle that only the collector can free, and prints whether it did, and how many objects it leaves alone.
_CYCLE = """
import gc, weakref
class Thing: pass
one = Thing()
one.itself = one
gone = weakref.ref(one)
del one
gc.collect()
print(gone() is None, gc.isenabled(), gc.get_freeze_count() > {frozen})
"""


@pytest.mark.parametrize(
    ("door", "frozen"),
    [
        pytest.param("import tasks; tasks.registered_app(); tasks.registered_app()", 50_000, id="a worker"),
        pytest.param("import entrypoints.cli.main", -1, id="a command"),
    ],
)
def test_garbage_is_collected(tmp_path, door, frozen):
    """A process collects what it leaves behind; a worker never looks through its modules."""
    env = {**os.environ, "PAGETURNER_HOME": str(tmp_path)}
    command = [sys.executable, "-c", f"{door}\n{_CYCLE.format(frozen=frozen)}"]
    done = subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True", "True"]
