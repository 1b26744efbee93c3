"""Processes that a command starts: they end with it, and with whatever ends it."""

import signal
import subprocess
import sys

import psutil
import pytest

from entrypoints.embedded import processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)",
]

#: A parent that starts a command on a leash, says its number, and is then killed.
_PARENT = """
import os, subprocess, sys, time
from entrypoints.embedded import processes
child = processes.start([sys.executable, "-c", "import time; time.sleep(600)"], log=None)
print(child.pid, flush=True)
time.sleep(600)
"""

#: The same where the system cannot end a process with its parent.
_ELSEWHERE = """
import os, sys
if os.fork() == 0:
    sys.platform = "other"
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    sys.argv = ["leash.py", str(os.getppid()), sys.executable, "-c", program]
    from entrypoints.embedded import leash
    leash._LOOK_SECONDS = 0.01
    sys.exit(leash.main())
import time
time.sleep(600)
"""


def await_end(pid: int) -> None:
    """Wait until a process is gone, or is only a number that its parent has not asked for."""
    try:
        psutil.Process(pid).wait(30)
    except psutil.NoSuchProcess:
        return


def test_a_process_is_stopped():
    """A process that obeys ends at once, and one that is over already is left alone."""
    child = processes.start(SLEEP, log=subprocess.DEVNULL)
    processes.stop(child)
    assert child.returncode == -signal.SIGTERM
    processes.stop(child)


def test_a_stubborn_process_is_killed():
    """A process that ignores the request is killed when its time is over."""
    child = processes.start(STUBBORN, log=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    processes.stop(child, 0.05)
    assert child.returncode == -signal.SIGKILL
    child.stdout.close()


@pytest.mark.parametrize("program", [_PARENT, _ELSEWHERE], ids=["by the system", "by watching"])
def test_a_process_ends_with_its_parent(program):
    """If a command is killed, what it started is killed too, on every system."""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=processes.ROOT) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    await_end(pid)


def test_it_starts_in_our_folder(tmp_path, monkeypatch):
    """A folder of the user's with a package `tasks` does not take the place of ours."""
    (tmp_path / "tasks.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    child = processes.start([sys.executable, "-c", "import tasks; print(tasks.__doc__)"], log=subprocess.PIPE)
    assert child.stdout is not None
    assert b"Celery" in child.stdout.read()
    child.stdout.close()
    child.wait(30)


def test_the_end_by_a_signal_is_an_orderly_one():
    """SIGTERM is as good as Ctrl-C for what a block has to take down; after the block it is as before."""
    before = signal.getsignal(signal.SIGTERM)
    with processes.terminating(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
