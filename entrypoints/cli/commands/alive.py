"""`pageturner alive`: whether the workers of this home respond, for the probes of a container."""

import os
import time

import typer

from settings import read_settings

from ...exits import Exit
from ...terminal import say

#: A worker touches its heartbeat file every five seconds.
_WITHIN_SECONDS = 60.0


def alive() -> None:
    """Check that the workers of this home respond: exit status 0 if they do, 1 if one hangs or there is none.

    Example: pageturner alive
    """
    folder = read_settings().heartbeats
    files = [file for file in folder.glob("*") if _runs(int(file.name))] if folder.exists() else []
    ages = {file.name: time.time() - file.stat().st_mtime for file in files}
    hanging = [name for name, age in ages.items() if age > _WITHIN_SECONDS]
    if not ages:
        say("No worker runs in this home.")
    for name in hanging:
        say(f"Worker process {name} has not responded for {ages[name]:.0f} s.")
    if hanging or not ages:
        raise typer.Exit(Exit.FAILED)


def _runs(pid: int) -> bool:
    """Return whether there is such a process: one that was killed leaves its heartbeat file behind."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
