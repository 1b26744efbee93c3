"""`pageturner alive`: whether the workers of this home live, for the probes of a container."""

import os
import time

import typer

from settings import read_settings

from ...exits import Exit
from ...terminal import say

#: A worker leaves a sign every five seconds.
_WITHIN_SECONDS = 60.0


def alive() -> None:
    """Tell by the exit status whether the workers of this home live: 0 they do, 1 one hangs, or there is none.

    Example: pageturner alive
    """
    folder = read_settings().signs_of_life
    signs = [sign for sign in folder.glob("*") if _runs(int(sign.name))] if folder.exists() else []
    ages = {sign.name: time.time() - sign.stat().st_mtime for sign in signs}
    hanging = [name for name, age in ages.items() if age > _WITHIN_SECONDS]
    if not ages:
        say("No worker has left a sign of life here.")
    for name in hanging:
        say(f"Process {name} gave its last sign of life {ages[name]:.0f} s ago.")
    if hanging or not ages:
        raise typer.Exit(Exit.FAILED)


def _runs(pid: int) -> bool:
    """Tell whether there is such a process: one that was killed leaves its sign behind."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
