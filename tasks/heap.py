"""Heap: one for all threads of a process that lasts.

The C library of most Linux systems gives threads heaps of their own, so that none waits for another, and each heap
keeps what its thread once needed. Python's threads take turns anyway: one heap for all is smaller, and as quick.
"""

import ctypes

#: The number of glibc's parameter for the most heaps.
_MOST_HEAPS = -8


def share_heap() -> None:
    """Have threads that begin from here on share one heap; other C libraries than glibc have no such parameter."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MOST_HEAPS, 1)
