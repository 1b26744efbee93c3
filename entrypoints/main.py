"""The command line: `pageturner COMMAND`. Errors that a person can mend end in a sentence, never in a traceback."""

import errno
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from settings import unknown_settings

from .commands import (
    accept,
    alive,
    changes,
    demo,
    doctor,
    export,
    keys,
    locations,
    metrics,
    migrate,
    notices,
    restored,
    services,
    simulate,
    status,
    sync,
    webhook,
)
from .exits import KNOWN, Exit, explain
from .printing import give, say

_INTERRUPTED = 130

#: What is written into a home, or exported, names people: it is for its owner, whatever the shell says.
_UMASK = 0o077

app = typer.Typer(
    name="pageturner",
    help="An exact, queryable mirror of what Apple's Apps and Books service knows about an organisation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit status: 0 in step, 1 failed, 2 wrong usage, 3 partly, 4 failed for now (try again), 5 needs a person.",
)
app.command("demo")(demo.demo)
app.add_typer(locations.app, name="locations")
app.command("sync")(sync.sync)
app.command("status")(status.status)
app.add_typer(notices.app, name="notices")
app.command("accept")(accept.accept)
app.command("export")(export.export)
app.command("changes")(changes.changes)
app.command("worker")(services.worker)
app.command("beat")(services.beat)
app.command("metrics")(metrics.metrics)
app.command("webhook")(webhook.webhook)
app.command("simulate")(simulate.simulate)
app.command("migrate")(migrate.migrate)
app.command("restored")(restored.restored)
app.command("alive")(alive.alive)
app.command("doctor")(doctor.doctor)
app.command("key")(keys.key)
app.command("reseal")(keys.reseal)


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
    except KNOWN as error:
        words, status_ = explain(error)
        say(f"pageturner: {words}")
        sys.exit(status_)
    except OSError as error:
        say(f"pageturner: {error.strerror or type(error).__name__}: {error.filename or 'a file or a connection'}")
        sys.exit(Exit.AWAY if error.errno in {errno.ENOSPC, errno.EDQUOT} else Exit.USAGE)
    except KeyboardInterrupt:
        say("pageturner: stopped. What was read is kept; the next sync goes on from there.")
        sys.exit(_INTERRUPTED)
