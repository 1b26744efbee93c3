"""Garbage: what lasts as long as a process is not looked through, and everything else is collected."""

import json
import os
import subprocess
import sys
import urllib.request

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


#: Serves one address, which tells how the collector of the server stands, and prints its port.
_SERVER = """
import entrypoints.cli.main, gc, json
from entrypoints.web.server import listen, serve

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        told = json.dumps([gc.get_threshold(), gc.get_freeze_count()]).encode()
        await send({"type": "http.response.body", "body": told})

listener = listen("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
serve(app, listener)
"""


def test_a_server_collects_as_python_does(tmp_path):
    """A command that serves does not leave garbage as one that ends soon does, and what it imported is left alone."""
    env = {**os.environ, "PAGETURNER_HOME": str(tmp_path)}
    command = [sys.executable, "-c", _SERVER]
    with subprocess.Popen(command, env=env, cwd=processes.ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = f"http://127.0.0.1:{int(server.stdout.readline())}/"
            with urllib.request.urlopen(address, timeout=60) as answer:
                threshold, frozen = json.load(answer)
        finally:
            server.kill()
    asked = subprocess.check_output([sys.executable, "-c", "import gc, json; print(json.dumps(gc.get_threshold()))"])
    assert threshold == json.loads(asked)
    assert frozen > 10_000
