"""Heaps: the threads of a process that lasts share one, wherever the C library would give them several."""

import contextlib
import itertools
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from entrypoints.embedded import processes
from tests.support.processes import COMMAND, running_workers
from tests.support.site import await_true

#: A thread that needs memory, and then waits for its end.
_THREAD = """
import threading

def work():
    held = [bytes(1000) for _ in range(1000)]
    print(flush=True)
    threading.Event().wait()

threading.Thread(target=work).start()
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="heaps of threads are glibc's")

#: What gives a process other heaps, whatever the process itself asks for.
_CHOSEN = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "LD_PRELOAD")


@pytest.fixture
def env(env, copied_database):
    """An installation's environment, in which nobody has chosen the heaps.

    It has PostgreSQL, whose connections a thread watches from the first one on.
    """
    kept = {name: value for name, value in env.items() if name not in _CHOSEN}
    return kept | {"PAGETURNER_DATABASE_URL": copied_database}


@contextlib.contextmanager
def running(command: list[str], env: dict[str, str]) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run a command; yield it with the first line that it prints."""
    with subprocess.Popen(
        command, env=env, cwd=processes.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
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


def test_a_thread_has_a_heap_by_itself(env):
    """What the other tests count is there where nobody asks for one heap."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("this C library gives threads no heaps of their own")
    with running([sys.executable, "-c", _THREAD], env) as (process, _):
        assert heaps_of(process.pid) == 1


def test_a_worker_has_one_heap(env, tmp_path):
    """The threads of a worker have no heaps of their own, in which each would keep what it once needed."""
    log = tmp_path / "worker.log"
    with running_workers(env, processes_=1, threads=1, log=log) as [worker]:
        await_true(lambda: " ready." in log.read_text(), "it is ready", 30)
        assert psutil.Process(worker.pid).num_threads() > 3
        assert heaps_of(worker.pid) == 0


def test_a_server_has_one_heap(env):
    """Nor have those of a command that serves, whose first threads begin before it does."""
    with running([COMMAND, "webhook", "--port", "0"], env) as (server, line):
        answer = urlsplit(line.split()[-1])._replace(path="/readyz").geturl()
        await_true(lambda: requests.get(answer, timeout=30).ok, "it is ready", 30)
        assert psutil.Process(server.pid).num_threads() > 3
        assert heaps_of(server.pid) == 0
