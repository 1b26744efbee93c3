"""Garbage: modules live as long as their process, so the collector need not look through them again and again.

Importing what a command needs makes some hundred thousand objects, and Python looks through all of them several times
meanwhile, and once more when the process ends: 0.4 s of the 1.0 s of CPU that a short command takes.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: So many more objects than were freed are garbage enough for a command to collect: some megabytes.
_OBJECTS = 100_000

#: How much garbage Python itself finds enough.
_USUAL = gc.get_threshold()


def collect_rarely() -> None:
    """Collect little while a command runs, and nothing when it ends: the operating system takes all of it."""
    gc.set_threshold(_OBJECTS)
    atexit.register(gc.freeze)


def collect_usually() -> None:
    """Collect as Python does, from here on: what a command that serves has by now lasts as long as it does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_USUAL)


@contextmanager
def lasting() -> Iterator[None]:
    """Import within the block what lasts as long as the process: it is never looked through."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
    atexit.register(gc.freeze)
