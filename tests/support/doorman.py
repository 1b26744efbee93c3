"""Runs commands in forks of one process that has imported everything: a second of each command is its imports.

usage: doorman.py, with a JSON line a command on standard input: arguments, and files for its output. Each is answered
with its exit status.
"""

import json
import os
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup


def main() -> None:
    """Run one command after the other, each in a process of its own."""
    import entrypoints.cli.check
    import entrypoints.cli.declaration
    import entrypoints.cli.progress
    import entrypoints.overview  # noqa: F401
    import tasks.services  # noqa: F401
    from entrypoints.cli.main import app, run

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    list(group.commands.values())

    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order, run)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(order: dict[str, Any], run: Any) -> None:
    """Be the command, and never come back."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["pageturner", *order["arguments"]]
    status: Any = 1
    try:
        run()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:  # noqa: BLE001 - whatever it is, it is this command's
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    main()
