"""The parts of a page: where the CPU of a task goes in which nothing has changed.

A list of 353 pages is read by a worker again and again, and each of its threads is profiled by the CPU that it takes. A
profile makes calls dearer, and so what consists of many small ones: these are shares, and no times. The main thread,
which takes the messages, is not in them: its CPU is read from the kernel, as that of all threads is.

usage: python bench/parts.py [LATENCY_MS]
"""

import pstats
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from crawl import PAGES, SIZE, installation
from meters import cpu_of

from entrypoints.embedded import processes
from tests.support.processes import COMMAND, await_workers, running_simulator
from tests.support.servers import make_database, postgresql_server

ROUNDS = 5

#: What a task is made of: each part is the functions that it begins with, by the end of their file's name.
PARTS = {
    "the gate: a permit, its return, and leaving": [
        ("gate/gate.py", "_take"),
        ("gate/gate.py", "_give_back"),
        ("gate/gate.py", "finish"),
    ],
    "the two statements of the ledger": [("ledger/pages.py", "job"), ("ledger/pages.py", "store")],
    "the request to Apple, and its answer": [("apple/client.py", "prepare_page"), ("apple/client.py", "_ask")],
    "reading the page, and naming its records": [("apple/pages.py", "read_page"), ("ledger/pages.py", "content")],
    "counting in the chord": [("celery/backends/base.py", "mark_as_done")],
}
_TASK, _WHOLE = ("tasks/gated.py", "_run"), ("celery/concurrency/base.py", "apply_target")


def main(latency: float) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        postgresql_server() as server,
        running_simulator("--latency", str(latency), *SIZE) as apple,
        installation(apple, make_database(server, "bench")) as (env, workers),
    ):
        read(env, 2)
        before = by_thread(workers)
        read(env, ROUNDS)
        main_thread, others = (
            (after - was) / ROUNDS / PAGES * 1000 for was, after in zip(before, by_thread(workers), strict=True)
        )
        print(f"CPU of a page: {main_thread:.2f} ms of the main threads, {others:.2f} ms of the others")
        for worker in workers:
            processes.stop(worker)
        show(profiled(env, Path(folder) / "profile"))


def read(env: dict[str, str], times: int) -> None:
    for _ in range(times):
        subprocess.run([COMMAND, "sync", "--full"], env=env, check=True, capture_output=True)


def by_thread(workers: list["subprocess.Popen[bytes]"]) -> tuple[float, float]:
    """Return the CPU seconds of the main threads, and of all others."""
    first = sum(int(Path(f"/proc/{one.pid}/schedstat").read_text().split()[0]) for one in workers) / 1e9
    return first, cpu_of(workers) - first


def profiled(env: dict[str, str], file: Path) -> pstats.Stats:
    """Read the list with one worker that profiles itself, and return its profile."""
    worker = [sys.executable, str(Path(__file__).with_name("profiled.py")), *processes.worker_command(8, "own")[3:]]
    child = processes.start(worker, log=subprocess.DEVNULL, env={**env, "PROFILE_TO": str(file)})
    try:
        await_workers(env, ["own"])
        read(env, ROUNDS)
    finally:
        processes.stop(child, seconds=30)
    return pstats.Stats(str(file))


def show(profile: pstats.Stats) -> None:
    """Print how much of the tasks each part is."""
    whole = taken(profile, _WHOLE)
    shares = {part: sum(taken(profile, one) for one in functions) for part, functions in PARTS.items()}
    shares["the rest of the task"] = taken(profile, _TASK) - sum(shares.values()) + shares["counting in the chord"]
    shares["Celery around the task"] = whole - sum(shares.values())
    for part, seconds in shares.items():
        print(f"{part:48} {seconds / whole:5.0%}")


def taken(profile: pstats.Stats, function: tuple[str, str]) -> float:
    """Return the seconds of a function, with all that it calls."""
    file, name = function
    found = profile.stats.items()  # type: ignore[attr-defined]
    return float(sum(row[3] for place, row in found if place[0].endswith(file) and place[2] == name))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
