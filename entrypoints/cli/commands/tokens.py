"""`pageturner tokens`: the programs that may call the API. Content tokens are kept by `pageturner locations`."""

from datetime import timedelta
from typing import Annotated

import typer

from settings import read_duration
from storage.states import Access

from ...exits import Exit, Failure
from ...terminal import print_rows, say, since, write, write_json
from ..completions import location_names
from ..context import with_store

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich")

_LONGEST_NAME = 200

NameOption = Annotated[str, typer.Argument(help="The name of the token: of the program that has it.")]


@app.command("make", epilog="Example: [bold]pageturner tokens make inventory --location hq --expires 365d[/]")
def make(
    name: NameOption,
    access: Annotated[
        Access, typer.Option("--scope", help="Whether it may only read, or start syncs as well.")
    ] = Access.READ,
    location: Annotated[
        list[str] | None,
        typer.Option(help="Only of this location; can be repeated.", autocompletion=location_names),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="After how long it ends: 90d; else never.")] = None,
) -> None:
    """Make a token, and print it: it is shown once, and only a digest of it is kept."""
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Failure("The name of a token is up to 200 signs.", Exit.USAGE)
    life = _duration(expires)
    with with_store() as services:
        uids = [services.store.locations.watched([one])[0].uid for one in location] if location else None
        ends = None if life is None else services.store.now() + life
        secret = services.store.api_tokens.make(name, access, uids, ends)
    say(f"'{name}' may {'read and act' if access is Access.ACT else 'read'}. Keep this: it is not shown again.")
    write(secret)


@app.command("list", epilog="Example: [bold]pageturner tokens list --json[/]")
def list_(*, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the tokens: what each may do, of which locations, and when it was last used."""
    with with_store() as services:
        found = services.store.api_tokens.all()
        names = {one.uid: one.name for one in services.store.locations.watched()}
    if json:
        write_json([vars(one) for one in found])
        return
    rows = [
        (
            *(one.name, one.access, "all" if one.uids is None else ", ".join(names.get(uid, uid) for uid in one.uids)),
            *(
                since(one.used_at),
                f"{one.expires_at:%Y-%m-%d}" if one.expires_at else "never",
                f"{one.made_at:%Y-%m-%d}",
            ),
        )
        for one in found
    ]
    if rows:
        print_rows(("name", "scope", "for", "last used", "ends", "made"), rows)
    else:
        say("No tokens: `pageturner tokens make NAME` makes one.")


@app.command("withdraw", epilog="Example: [bold]pageturner tokens withdraw inventory[/]")
def withdraw(name: NameOption) -> None:
    """Withdraw a token: it is refused from now on."""
    with with_store() as services:
        services.store.api_tokens.withdraw(name)
    say(f"'{name}' is withdrawn.")


def _duration(text: str | None) -> timedelta | None:
    try:
        return None if text is None else read_duration(text)
    except ValueError as error:
        raise Failure(f"--expires: {error}", Exit.USAGE) from None
