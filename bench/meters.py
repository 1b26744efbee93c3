"""Meters: the CPU and the memory of processes, and how fast the machine is at the moment."""

import contextlib
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

#: A loop as long as this is timed before a run.
_SPINS = 1_000_000


def spun() -> float:
    """Return how many milliseconds a fixed loop takes."""
    begun = time.perf_counter()
    for _ in range(_SPINS):
        pass
    return (time.perf_counter() - begun) * 1000


def server_cpu() -> float:
    """Return the CPU seconds of PostgreSQL, with its processes that have ended."""
    total = 0.0
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.name() == "postgres":
                times = one.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def cpu_of(processes: Iterable["subprocess.Popen[bytes]"]) -> float:
    """Return the CPU seconds of processes that run."""
    return sum(sum(psutil.Process(one.pid).cpu_times()[:2]) for one in processes)


def peak_of(process: int | str) -> float:
    """Return the largest memory that a process had, in megabytes: of its number, or of `self`."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return max(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
