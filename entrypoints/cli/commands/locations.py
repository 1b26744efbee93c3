"""`pageturner locations`: which content tokens are kept."""

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apple.errors import OtherLocation
from apple.resources import USUAL
from apple.texts import clean
from apple.tokens import MalformedToken, Token, parse_token
from storage.states import LocationState

from ...exits import Exit, Failure
from ...terminal import print_rows, say, since, write_json
from ..context import wake, with_gate, with_store
from ..options import NameArgument
from ..resources import check_resources

if TYPE_CHECKING:
    from orchestration.decisions.overview import LocationView
    from tasks.services import Services

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)
_STATES = (*(state.value for state in LocationState), "expiring")

TokenFile = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, readable=True, help="The .vpptoken file as downloaded from Apple."),
]


@app.command("add", epilog="Example: [bold]pageturner locations add sToken_for_Example.vpptoken --name hq[/]")
def add(
    file: TokenFile,
    name: Annotated[
        str | None, typer.Option(help="The name of the location here; the default is its name at Apple.")
    ] = None,
    resources: Annotated[
        str | None,
        typer.Option(help="The resources to mirror, separated by commas; the default is all except the legacy ones."),
    ] = None,
) -> None:
    """Check a token with Apple and keep its location."""
    wanted = _resources(resources)
    check_name(name)
    token = _read(file)
    with with_gate() as services:
        holder = services.store.locations.holder_of(token.text)
        if holder is not None:
            raise Failure(f"'{holder.name}' has this very token already.", Exit.FAILED)
        config = services.use_cases.token_checker.ask(token)
        location = services.store.locations.add(
            name or config.name or config.uid, config.uid, token, config.owner, wanted
        )
        services.use_cases.token_checker.note(location, config)
        wake(services, location.uid)
        say(f"Kept '{location.name}' ({location.uid}), {', '.join(wanted)}. Next: pageturner sync")


@app.command("list", epilog="Example: [bold]pageturner locations list --state expiring[/]")
def list_(
    text: Annotated[
        str | None, typer.Argument(help="Only locations with this text in a name, the uId or the organisation.")
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option(help=f"Only locations in this state ({', '.join(_STATES)}); can be repeated.")
    ] = None,
    resource: Annotated[str | None, typer.Option(help="Only locations of which this resource is mirrored.")] = None,
    *,
    unsubscribed: Annotated[
        bool, typer.Option("--unsubscribed", help="Only locations without a subscription to notices.")
    ] = False,
    removed: Annotated[
        bool, typer.Option("--removed", help="Only locations that were removed, whose data are kept.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the locations that are kept. At Apple names are not unique: the uId is."""
    _check_filters(state, resource)
    from ...overview import look

    with with_store() as services:
        every = _of_removed(services) if removed else [_described(one) for one in look(services).locations]
    chosen = [
        one
        for one in every
        if _has(one, text)
        and (not state or one["state"] in state)
        and (resource is None or resource in one["resources"])
        and not (unsubscribed and one["notices"]["types"])
    ]
    if json:
        write_json(chosen)
        return
    print_rows(_COLUMNS, [_cells(one) for one in chosen])
    for one in chosen:
        if one["problem"]:
            say(f"{one['name']}: {one['problem']}")
    if removed and not every:
        say("No location has been removed.")
    elif not every:
        say("No locations yet: pageturner locations add FILE")
    elif not chosen:
        say(f"No location matches ({len(every)} are kept).")


@app.command("apply", epilog="Example: [bold]pageturner locations apply locations.toml --dry-run[/]")
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The TOML file.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Stop watching what the file does not declare.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --prune: even if most locations would be removed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Make the locations, their resources and their intervals be what a file says.

    The plan comes first. Nothing is taken out without `--prune`, and what was mirrored is always kept. A dry run ends
    with 3 if there is something to do.
    """
    from ..declaration import apply_file

    has_steps = apply_file(file, is_dry=dry_run, prune=prune, is_sure=yes, json=json)
    if dry_run and has_steps:
        raise typer.Exit(Exit.PENDING)


@app.command("watch", epilog="Example: [bold]pageturner locations watch hq assets,assignments,licenses[/]")
def watch(
    name: NameArgument,
    resources: Annotated[str, typer.Argument(help="The resources to mirror from now on, separated by commas.")],
) -> None:
    """Choose which resources of a location are mirrored. What is left out stays as it was mirrored last."""
    wanted = _resources(resources)
    with with_store() as services:
        services.store.locations.watch(name, wanted)
        say(f"'{name}': {', '.join(wanted)} from now on. What else was mirrored is kept.")
        say(f"Next: pageturner sync {shlex.quote(name)}")


@app.command("remove", epilog="Example: [bold]pageturner locations remove hq[/]")
def remove(name: NameArgument) -> None:
    """Stop watching a location: its token is erased, what was mirrored is kept."""
    with with_store() as services:
        services.store.locations.remove(name)
        say(f"'{name}' is no longer watched. Its token is erased; what was mirrored is kept.")


@app.command("purge", epilog="Example: [bold]pageturner locations purge hq[/]")
def purge(
    name: Annotated[
        str, typer.Argument(help="The name of a removed location: `locations list --removed` prints them.")
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Erase for ever what was mirrored of a location that was removed: its records, their changes and its notices."""
    with with_store() as services:
        location = services.store.locations.named(name)
        held = services.store.purge.measure(location.id, location.uid)
        words = f"{held.records:,} records, {held.changes:,} changes and {held.notices:,} notices of '{name}'"
        services.store.purge.refuse_watched(location.id)
        if not yes and not _is_sure(f"This erases {words} ({location.uid}) for ever. Go on?"):
            raise Failure(f"Nothing was erased of {words}: if it is meant to be, say so with --yes.", Exit.PERSON)
        services.store.purge.purge(location.id, location.uid)
        say(f"Erased: {words}.")


def _is_sure(question: str) -> bool:
    """Ask for confirmation at a terminal; without one, return False."""
    return sys.stdin.isatty() and typer.confirm(clean(question), err=True)


@app.command("rotate", epilog="Example: [bold]pageturner locations rotate hq new.vpptoken[/]")
def rotate(name: NameArgument, file: TokenFile) -> None:
    """Put a newer token of the same location in the place of the old one."""
    token = _read(file)
    with with_gate() as services:
        location = services.store.locations.watched([name])[0]
        config = services.use_cases.token_checker.ask(token, location.uid)
        if config.uid != location.uid:
            raise OtherLocation(f"('{name}' is {location.uid}; this token opens {config.uid})")
        services.store.locations.rotate(name, token)
        wake(services, location.uid)
        say(f"'{name}' has its new token, which expires on {token.expires:%Y-%m-%d}.")


#: The most important first: a terminal shows as many as fit.
_COLUMNS = ("name", "state", "token expires", "uId", "managed by", "notices", "asked", "organisation")


def _cells(one: dict[str, Any]) -> list[str]:
    notices = f"{len(one['notices']['types'])} types" if one["notices"]["types"] else "none"
    manager = "" if one["state"] == LocationState.FOREIGN else one["managed_by"] or ""
    expires, asked = f"{one['token_expires']:%Y-%m-%d}", since(one["notices"]["as_of"])
    return [one["name"], one["state"], expires, one["uid"], manager, notices, asked, one["organisation"]]


def _of_removed(services: "Services") -> list[dict[str, Any]]:
    """Describe the locations that were removed: of these, nothing is read, and nothing can be wrong."""
    from orchestration.decisions.overview import LocationFacts, view

    seen = LocationFacts(reports={}, counts=(), closing=None)
    views = [
        view(one, [], services.store.database.now(), seen, is_scheduler_running=False)
        for one in services.store.locations.removed()
    ]
    return [_described(one) | {"state": "removed", "problem": None} for one in views]


def _check_filters(states: list[str] | None, resource: str | None) -> None:
    unknown = [one for one in states or () if one not in _STATES]
    if unknown:
        raise Failure(f"There is no state {', '.join(unknown)}; there are {', '.join(_STATES)}.", Exit.USAGE)
    if resource is not None:
        check_resources([resource])


def _has(one: dict[str, Any], text: str | None) -> bool:
    fields = (one["name"], one["name_at_apple"], one["uid"], one["organisation"])
    return text is None or any(text.lower() in field.lower() for field in fields)


def _described(one: "LocationView") -> dict[str, Any]:
    location = one.location
    return {
        "name": location.name,
        "uid": location.uid,
        "name_at_apple": location.apple_name,
        "organisation": location.organisation,
        "managed_by": location.owner_name,
        "state": one.token.state,
        "problem": one.token.words,
        "token_expires": location.token_expires,
        "resources": [view.stream.resource for view in one.streams],
        "notices": {
            "url": location.notice_url,
            "types": location.notice_types or [],
            "as_of": location.asked_at,
        },
    }


def _read(file: Path) -> Token:
    try:
        token = parse_token(file.read_bytes())
    except MalformedToken as error:
        raise Failure(f"{file} is not a content token: {error}.", Exit.USAGE) from None
    if token.is_expired(datetime.now(UTC)):
        words = f"The token in {file} expired on {token.expires:%Y-%m-%d}: download a new one from Apple."
        raise Failure(words, Exit.PERSON)
    return token


def _resources(text: str | None) -> list[str]:
    names = list(USUAL) if text is None else [one.strip() for one in text.split(",") if one.strip()]
    check_resources(names)
    return names


def check_name(name: str | None) -> None:
    """Refuse a name that would break every list that it stands in."""
    if name is not None and (not name.strip() or not name.isprintable()):
        raise Failure("A name must be a single line of printable characters.", Exit.USAGE)
