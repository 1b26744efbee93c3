"""Run an installation in memory until nothing is left to do, in an order that a seed decides."""

import random
from collections.abc import Sequence

from .process import MemoryProcess, Surroundings

#: Far more steps than any crawl of a test takes: a run that is longer never ends.
_STEPS = 100_000


def run_until_idle(around: Surroundings, processes: Sequence[MemoryProcess], dice: random.Random) -> None:
    """Work until no message waits at a gate or for a worker; while all are parked, time passes."""
    for _ in range(_STEPS):
        process = dice.choice(processes)
        around.broker.admit(process.gate.pump())
        if around.broker.ready:
            process.worker.work(around.broker.ready.pop(dice.randrange(len(around.broker.ready))))
            continue
        due = around.memory.next_due()
        if due is None:
            return
        around.clock.sleep(due - around.clock.monotonic())
    raise RuntimeError(f"There is still work after {_STEPS} steps.")
