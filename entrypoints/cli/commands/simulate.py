"""`pageturner simulate`: Apple's side of the wire, for trying things out."""

import shlex
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.catalogue import CATALOGUE, Size
from tasks.garbage import collect_usually

from ...terminal import say, write
from ...web.server import listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.switches import Switches
    from simulator.world import World

#: The number of records of each list, unless an option names another.
_COUNTS = {name: listed.count for name, listed in CATALOGUE.items()}


def simulate(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 picks a free one.")] = 8400,
    locations: Annotated[int, typer.Option(min=1, help="How many locations.")] = 1,
    assets: Annotated[int, typer.Option(min=1, help="Assets of each.")] = _COUNTS["assets"],
    assignments: Annotated[int, typer.Option(min=0, help="Assignments of each.")] = _COUNTS["assignments"],
    users: Annotated[int, typer.Option(min=0, help="Users of each.")] = _COUNTS["users"],
    subscriptions: Annotated[int, typer.Option(min=0, help="Subscriptions of each.")] = _COUNTS["subscriptions"],
    subscription_assignments: Annotated[int, typer.Option(min=0, help="Assignments of subscriptions.")] = _COUNTS[
        "subscription-assignments"
    ],
    subscription_admins: Annotated[int, typer.Option(min=0, help="Administrators of subscriptions.")] = _COUNTS[
        "subscription-admins"
    ],
    licenses: Annotated[int, typer.Option(min=0, help="Licences of the legacy service.")] = _COUNTS["licenses"],
    legacy_users: Annotated[int, typer.Option(min=0, help="Users of the legacy service.")] = _COUNTS["legacy-users"],
    count: Annotated[
        list[str] | None,
        typer.Option(metavar="RESOURCE=COUNT", help="The number of records of a resource; can be repeated."),
    ] = None,
    page_size: Annotated[int, typer.Option(min=1, help="The number of records on a page.")] = 549,
    latency: Annotated[float, typer.Option(min=0, help="The latency of each answer, in milliseconds.")] = 150,
    jitter: Annotated[float, typer.Option(min=0, help="By how many milliseconds the latency varies.")] = 0,
    rate: Annotated[
        int | None, typer.Option(min=1, help="The requests a second that are allowed; the default is no limit.")
    ] = None,
    switch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What the simulated Apple does where the behaviour of the real one is not known; can be repeated.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed of the data: the same seed makes the same data.")] = 1,
    tokens: Annotated[Path | None, typer.Option(help="A folder that gets a .vpptoken file for each location.")] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Let the data change by themselves.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="With --live: the seconds between two changes.")] = 5.0,
) -> None:
    """Play Apple on a port of this machine. A terminal is told what to do next; a pipe gets a line of JSON first.

    Example: pageturner simulate --live
    """
    from simulator.life import DailyLife
    from simulator.server import serve
    from simulator.switches import Switches
    from simulator.world import make_world

    counts = {
        "assets": assets,
        "assignments": assignments,
        "users": users,
        "subscriptions": subscriptions,
        "subscription-assignments": subscription_assignments,
        "subscription-admins": subscription_admins,
        "licenses": licenses,
        "legacy-users": legacy_users,
    }
    size = Size(page_size=page_size, **counts | _read_counts(count or [], set(CATALOGUE)))
    switches = Switches(latency=latency / 1000, jitter=jitter / 1000, rate=rate)
    _turn(switches, switch or [])
    world = make_world(locations, size, seed, switches)
    announce = _announcement(world, tokens, is_live=live)
    collect_usually()
    serve(world, listen(host, port), announce, DailyLife(world, every, seed) if live else None)


def _announcement(world: "World", tokens: Path | None, *, is_live: bool) -> "Callable[[str], None]":
    """Write the tokens, and return what tells a person or a program where the simulated Apple listens."""
    from simulator.server import announce_to

    if sys.stdout.isatty():
        files = _write_tokens(world, tokens or Path(tempfile.mkdtemp(prefix="pageturner-tokens-")))
        return partial(_welcome, files, is_live=is_live)
    if tokens is not None:
        for file, one in zip(_write_tokens(world, tokens), world.locations.values(), strict=True):
            say(f"{file}: the token of {one.organisation.name}")
    return announce_to(sys.stdout, world)


def _welcome(files: list[Path], origin: str, *, is_live: bool) -> None:
    """Tell a person what to do with a simulated Apple."""
    if len(files) == 1:
        what, add = "1 location", f"pageturner locations add {shlex.quote(str(files[0]))} --name school"
    else:
        what = f"{len(files):,} locations"
        add = f"for file in {shlex.quote(str(files[0].parent))}/*; do pageturner locations add $file; done"
    write(f"A simulated Apple with {what} listens at {origin}. Ctrl-C ends it.\n")
    write("Next, in another terminal:\n")
    soon = " PAGETURNER_DELTA_EVERY=15s" if is_live else ""
    write(f"    export PAGETURNER_APPLE_URL={origin} PAGETURNER_HOME=~/.pageturner-simulated{soon}")
    for line in (add, "pageturner sync", "pageturner report licences"):
        write(f"    {line}")
    if is_live:
        write("\nIts data change by themselves. To watch that, each of these in a terminal with the same settings:\n")
        for line in ("pageturner worker", "pageturner beat", "pageturner changes --follow"):
            write(f"    {line}")
    else:
        write("\nWith --live its data would change by themselves.")
    sys.stdout.flush()


def _turn(switches: "Switches", texts: list[str]) -> None:
    """Set the switches that `NAME=VALUE` names."""
    from simulator.switches import CHOICES

    for text in texts:
        name, _, value = text.partition("=")
        if value not in CHOICES.get(name, ()):
            known = "; ".join(f"{each}={'|'.join(choices)}" for each, choices in CHOICES.items())
            raise typer.BadParameter(f"'{text}' is none of {known}", param_hint="--switch")
        switches.turn({name: value})


def _write_tokens(world: "World", folder: Path) -> list[Path]:
    """Write the token of each location into a file of its own, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for one in world.locations.values():
        file = folder / f"{one.organisation.uid}.vpptoken"
        file.write_text(one.token + "\n")
        files.append(file)
    return files


def _read_counts(texts: list[str], known: set[str]) -> dict[str, int]:
    """Return how many records of some resources there are to be."""
    counts = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in known or not number.isdecimal():
            words = f"'{text}' is not RESOURCE=COUNT with a resource of {', '.join(sorted(known))}"
            raise typer.BadParameter(words, param_hint="--count")
        counts[name] = int(number)
    return counts
