"""Soak: play lives on all cores, without end or up to a seed, and print the seeds that fail."""

import multiprocessing
import os
import sys
import time
from itertools import count

from .life import live


def soak(first: int, last: int | None = None) -> int:
    """Play the lives of all seeds from one on; return 1 if any failed."""
    failed, begun, done = 0, time.monotonic(), 0
    seeds = count(first) if last is None else iter(range(first, last))
    with multiprocessing.get_context("forkserver").Pool(os.cpu_count()) as pool:
        for seed, words in pool.imap_unordered(_try, seeds, chunksize=10):
            done += 1
            if words:
                failed += 1
                print(f"{words}\n--- again with: python -m tests.simulation {seed}", flush=True)  # noqa: T201
            if done % 500 == 0:
                _report(done, failed, time.monotonic() - begun)
        _report(done, failed, time.monotonic() - begun)
    return 1 if failed else 0


def _report(done: int, failed: int, seconds: float) -> None:
    print(f"{done} lives, {failed} failed, {done / seconds * 60:.0f} a minute", flush=True)  # noqa: T201


def _try(seed: int) -> tuple[int, str]:
    try:
        live(seed)
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed is what matters
        return seed, f"{type(error).__name__}: {error}"
    return seed, ""


if __name__ == "__main__":
    sys.exit(soak(*map(int, sys.argv[1:3] or ["0"])))
