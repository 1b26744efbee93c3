"""Runs a command that must not outlive the process that started it. A program of its own: it imports nothing of ours.

usage: leash.py PARENT_PID COMMAND [ARGUMENT ...]
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.5


def main() -> int:
    """Become the command; if the system cannot end it with its parent, watch the parent."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the line above
            return 1
        os.execvp(command[0], command)  # noqa: S606 - no shell is what is wanted
    return _watch(parent, command)


def _watch(parent: int, command: list[str]) -> int:
    child = subprocess.Popen(command)  # noqa: S603 - the caller's own command
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
        time.sleep(_LOOK_SECONDS)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
