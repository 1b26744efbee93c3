"""Heaps: the threads of a process that lasts share one, wherever the C library would give them several."""

import contextlib
import itertools
import os
import platform
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from entrypoints.embedded import processes
from storage.sealer import make_key
from tests.support.processes import running_workers
from tests.support.site import await_true

#: Serves one address, whose answer is made by a thread of its own, and prints its port.
_SERVER = """
import asyncio
from entrypoints.web.server import listen, serve

async def app(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.to_thread(lambda: [bytes(1000) for _ in range(1000)])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

listener = listen("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
serve(app, listener)
"""

#: The same without what serves: a thread that needs memory, and then waits for its end.
_THREAD = """
import threading

def work():
    held = [bytes(1000) for _ in range(1000)]
    print(flush=True)
    threading.Event().wait()

threading.Thread(target=work).start()
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="heaps of threads are glibc's")


@contextlib.contextmanager
def running(program: str, env: dict[str, str]) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run a program; yield it with the first line that it prints."""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=env, cwd=processes.ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def heaps_of(process: int) -> int:
    """Return how many heaps of threads a process has: glibc reserves 64 MB for each, most of which nobody may use."""
    areas = []
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        place, rights, *_ = line.split()
        areas.append(([int(part, 16) for part in place.split("-")], rights))
    return sum(
        (used, reserved) == ("rw-p", "---p") and end == begin and last - first == 64 << 20
        for ((first, end), used), ((begin, last), reserved) in itertools.pairwise(areas)
    )


def test_a_thread_has_a_heap_by_itself():
    """What the other tests count is there where nobody asks for one heap."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("this C library gives threads no heaps of their own")
    with running(_THREAD, dict(os.environ)) as (process, _):
        assert heaps_of(process.pid) == 1


def test_a_worker_has_one_heap(redis, redis_url, tmp_path):
    """The threads of a worker have no heaps of their own, in which each would keep what it once needed."""
    assert redis.ping()
    env = {
        **os.environ,
        "PAGETURNER_HOME": str(tmp_path),
        "PAGETURNER_REDIS_URL": redis_url,
        "PAGETURNER_DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}",
        "PAGETURNER_SECRET_KEYS": make_key(),
    }
    log = tmp_path / "worker.log"
    with running_workers(env, processes_=1, threads=1, log=log) as [worker]:
        await_true(lambda: " ready." in log.read_text(), "it is ready", 30)
        assert psutil.Process(worker.pid).num_threads() > 3
        assert heaps_of(worker.pid) == 0


def test_a_server_has_one_heap(tmp_path):
    """Nor have those of a command that serves."""
    with running(_SERVER, {**os.environ, "PAGETURNER_HOME": str(tmp_path)}) as (server, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{int(port)}/", timeout=60):
            pass
        assert psutil.Process(server.pid).num_threads() > 1
        assert heaps_of(server.pid) == 0
