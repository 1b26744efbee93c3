"""The command line: `pageturner COMMAND`. Errors that a person can mend end in a sentence, never in a traceback."""

import errno
import os
import sys
from collections import UserDict
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from settings import unknown_settings

from ..exits import Exit
from ..terminal import give, say

_INTERRUPTED = 130

#: What is written into a home, or exported, names people: it is for its owner, whatever the shell says.
_UMASK = 0o077

#: Where each command is, in the order of the help.
_PLACES = {
    "demo": "demo:demo",
    "locations": "locations:app",
    "sync": "sync:sync",
    "status": "status:status",
    "notices": "notices:app",
    "accept": "accept:accept",
    "export": "export:export",
    "changes": "changes:changes",
    "worker": "services:worker",
    "beat": "services:beat",
    "metrics": "metrics:metrics",
    "webhook": "webhook:webhook",
    "simulate": "simulate:simulate",
    "migrate": "migrate:migrate",
    "restored": "restored:restored",
    "alive": "alive:alive",
    "doctor": "doctor:doctor",
    "key": "keys:key",
    "reseal": "keys:reseal",
}


class _Commands(UserDict[str, Any]):
    """Every command by its name, imported when it is asked for: most need a second's worth of libraries."""

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        """Import a command."""
        place = self.data[name]
        if isinstance(place, str):
            module, _, attribute = place.partition(":")
            found = getattr(import_module(f"{__package__}.commands.{module}"), attribute)
            if not isinstance(found, typer.Typer):
                alone = typer.Typer(add_completion=False, rich_markup_mode=_MARKUP)
                alone.command(name)(found)
                found = alone
            self.data[name] = typer.main.get_command(found)
            self.data[name].name = name
        command: TyperCommand | TyperGroup = self.data[name]
        return command


class _Pageturner(TyperGroup):
    """The program."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands(_PLACES)


_MARKUP: Literal["rich"] = "rich"

app = typer.Typer(
    name="pageturner",
    cls=_Pageturner,
    help="An exact, queryable mirror of what Apple's Apps and Books service knows about an organisation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=_MARKUP,
    epilog="Exit status: 0 in step, 1 failed, 2 wrong usage, 3 partly, 4 failed for now (try again), 5 needs a person.",
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer's signature
    if value:
        give(version("pageturner"))
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Set what all commands share; there is nothing yet but the version."""


def run() -> None:
    """Run a command, and end with its status."""
    os.umask(_UMASK)
    for words in unknown_settings():
        say(f"pageturner: {words}")
    try:
        app()
    except KeyboardInterrupt:
        say("pageturner: stopped. What was read is kept; the next sync goes on from there.")
        sys.exit(_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the outer rim: what nobody knows is raised again
        sys.exit(_end(error))


def _end(error: Exception) -> int:
    """Say why a command ended, and give its status; what is a bug is raised."""
    from .advice import KNOWN, explain

    if isinstance(error, KNOWN):
        words, status = explain(error)
        say(f"pageturner: {words}")
        return status
    if isinstance(error, OSError):
        what = f": {error.filename}" if error.filename else ""
        say(f"pageturner: {error.strerror or type(error).__name__}{what}.")
        return Exit.AWAY if error.errno in {errno.ENOSPC, errno.EDQUOT} else Exit.USAGE
    raise error
