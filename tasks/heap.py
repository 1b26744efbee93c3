"""Heap: one for all threads of a worker, and of a command that serves.

The C library of most Linux systems gives threads heaps of their own, so that none waits for another, and each heap
keeps what its thread once needed. Python's threads take turns anyway: one heap for all is smaller, and no slower.
"""

import ctypes
import os

#: The number of glibc's parameter for the most heaps, and the setting by which an operator chooses.
_MOST_HEAPS = -8
_CHOSEN = "MALLOC_ARENA_MAX"


def share_heap() -> None:
    """Have all threads share one heap, if none has begun; other C libraries than glibc have no such parameter."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and _CHOSEN not in os.environ:
        mallopt(_MOST_HEAPS, 1)
