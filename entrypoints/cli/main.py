"""The command line: `pageturner COMMAND`. Errors that a person can mend end in a sentence, never in a traceback."""

import errno
import os
import sys
from collections import UserDict
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Literal, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from settings import unknown_settings

from ..exits import INTERRUPTED, Exit, Failure
from ..terminal import say, write

#: Files in a home, and exports, name people: they are for their owner, whatever the shell's umask.
_UMASK = 0o077


#: Set by a shell that asks what it may complete.
_COMPLETING = "_PAGETURNER_COMPLETE"


class Place(NamedTuple):
    """Where a command is, and its line in the list of commands."""

    module: str
    attribute: str
    summary: str


#: Every command, in the order of the help.
PLACES = {
    "serve": Place("serve", "serve", "Run everything on this machine: workers, scheduler, console."),
    "demo": Place("demo", "demo", "Crawl a simulated organisation, and compare the mirror with the truth."),
    "locations": Place("locations", "app", "Keep content tokens: add, list, remove, rotate, purge."),
    "sync": Place("sync", "sync", "Bring the mirror in step with Apple, and wait for it."),
    "status": Place("status", "status", "Show how old each mirrored list is, what is wrong and what to do."),
    "notices": Place("notices", "app", "Receive Apple's notices of changes: subscribe, list, replay."),
    "notify": Place("notify", "app", "Tell people what needs them, and programs what changed."),
    "accept": Place("accept", "accept", "Let deletes that were held back through, or a new owner of a location."),
    "export": Place("export", "export", "Write the records of a resource under Apple's own field names."),
    "report": Place("report", "report", "Answer a question: what is left, who has what, what does not add up."),
    "orphans": Place("orphans", "orphans", "List licences of devices and people that your files do not know any more."),
    "compare": Place("compare", "compare", "List in what a file of your device management and Apple differ."),
    "changes": Place("changes", "changes", "Show inserts, updates and deletes in the order of their commits."),
    "history": Place("history", "history", "Show which crawls ran, why, how long they took, and what came of them."),
    "worker": Place("services", "worker", "Run workers until stopped."),
    "beat": Place("services", "beat", "Run the scheduler, which queues the syncs that are due."),
    "metrics": Place("metrics", "metrics", "Serve /metrics for Prometheus, /healthz and /readyz."),
    "webhook": Place("webhook", "webhook", "Receive Apple's notices over HTTP."),
    "console": Place("console", "console", "Serve the pages for people, and the API for programs."),
    "accounts": Place("accounts", "app", "Let people open the console from other hosts."),
    "tokens": Place("tokens", "app", "Let programs call the API."),
    "simulate": Place("simulate", "simulate", "Serve a simulated Apple on a port of this machine."),
    "migrate": Place("migrate", "migrate", "Bring the database's schema up to date."),
    "restored": Place("restored", "restored", "Declare the database a restored backup: feed readers begin again."),
    "alive": Place("alive", "alive", "Check that the workers of this host respond; for the probes of a container."),
    "doctor": Place("doctor", "doctor", "Examine the installation, and say what to do about what is wrong."),
    "bundle": Place("bundle", "bundle", "Write one file for whoever helps from afar: no secrets, no names."),
    "completion": Place("completion", "completion", "Print what a shell needs to complete commands and names."),
    "key": Place("keys", "key", "Make a key that encrypts tokens."),
    "reseal": Place("keys", "reseal", "Encrypt every token again with the first key."),
}


class _Commands(UserDict[str, Any]):
    """Every command by its name, imported when it is asked for: most need a second's worth of libraries."""

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        """Import a command."""
        place = self.data[name]
        if isinstance(place, Place):
            found = getattr(import_module(f"{__package__}.commands.{place.module}"), place.attribute)
            if not isinstance(found, typer.Typer):
                alone = typer.Typer(add_completion=False, rich_markup_mode=_MARKUP)
                alone.command(name)(found)
                found = alone
            command = typer.main.get_command(found)
            command.name = name
            command.help = command.help or place.summary
            self.data[name] = command
        known: TyperCommand | TyperGroup = self.data[name]
        return known


class _Pageturner(TyperGroup):
    """The program."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands(PLACES)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C, and the signal to end, are no error of it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("pageturner: stopped.")
            raise typer.Exit(INTERRUPTED) from None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the program from the table alone: no command is imported for its line."""
        self.commands = _summaries()
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete the name of a command, from the table alone as well."""
        self.commands = _summaries()
        return super().shell_complete(ctx, incomplete)


def _summaries() -> Any:
    return {name: TyperCommand(name, help=place.summary) for name, place in PLACES.items()}


_MARKUP: Literal["rich"] = "rich"

app = typer.Typer(
    name="pageturner",
    cls=_Pageturner,
    help="An exact, queryable mirror of what Apple's Apps and Books service knows about an organisation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=_MARKUP,
    epilog="Exit status: 0 in step, 1 failed, 2 wrong usage, 3 partly, or something to do after a dry run, "
    "4 failed for now (try again), 5 needs a person.",
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer's signature
    if value:
        write(version("pageturner"))
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
    if _COMPLETING in os.environ:
        from typer.completion import get_completion_inspect_parameters

        get_completion_inspect_parameters()  # it makes the shells known
    for words in [] if _COMPLETING in os.environ else unknown_settings():
        say(f"pageturner: {words}")
    try:
        _refuse_broken_text(sys.argv[1:])
        app()
    except Exception as error:  # noqa: BLE001 - the outermost handler: what is not known is raised again
        sys.exit(_end(error))


def _refuse_broken_text(arguments: list[str]) -> None:
    """Raise Failure for an argument whose bytes are no text: no name in the mirror is like it."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            shown = argument.encode(errors="backslashreplace").decode()
            encoding = sys.getfilesystemencoding()
            raise Failure(f"the argument {shown} is not text in {encoding}.", Exit.USAGE) from error


def _end(error: Exception) -> int:
    """Print why a command failed, and return its exit status; raise what is a bug."""
    if isinstance(error, Failure):
        say(f"pageturner: {error}")
        return error.status
    from advice import explain

    from ..statuses import KNOWN, status_of

    if isinstance(error, KNOWN):
        say(f"pageturner: {explain(error)}")
        return status_of(error)
    if isinstance(error, OSError):
        what = f": {error.filename}" if error.filename else ""
        say(f"pageturner: {error.strerror or type(error).__name__}{what}.")
        return Exit.AWAY if error.errno in {errno.ENOSPC, errno.EDQUOT} else Exit.USAGE
    raise error
