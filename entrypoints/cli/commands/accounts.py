"""`pageturner accounts`: the people who may open the console from other hosts."""

import sys
from typing import Annotated

import typer

from storage.states import Access

from ...exits import Exit, Failure
from ...terminal import print_rows, say, since, write_json
from ..context import with_store

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich")

#: A shorter password can be guessed.
LEAST_PASSWORD = 12
_LONGEST_PASSWORD = 1_000
_LONGEST_NAME = 200

NameOption = Annotated[str, typer.Argument(help="The name of the account.")]
AccessOption = Annotated[Access, typer.Option("--scope", help="Whether its owner may only look, or act as well.")]


@app.command("add", epilog="Example: [bold]pageturner accounts add anna --scope act[/]")
def add(
    name: NameOption,
    access: AccessOption = Access.READ,
    *,
    by_proxy: Annotated[
        bool, typer.Option("--by-proxy", help="It has no password: a proxy names it, as console --user-header has it.")
    ] = False,
) -> None:
    """Add somebody. The password is asked for, or read from standard input."""
    if not name.strip() or name != name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Failure("The name of an account is up to 200 signs, without spaces at its ends.", Exit.USAGE)
    password = None if by_proxy else _ask_password()
    with with_store() as services:
        services.store.accounts.add(name, access, password)
    say(f"'{name}' may {_may(access)}.")


@app.command("list", epilog="Example: [bold]pageturner accounts list --json[/]")
def list_(*, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the accounts, and when they were last used."""
    with with_store() as services:
        found = services.store.accounts.all()
    if json:
        told = [{name: value for name, value in vars(one).items() if name != "digest"} for one in found]
        write_json([one | {"has_password": kept.digest is not None} for one, kept in zip(told, found, strict=True)])
    elif found:
        rows = [(one.name, one.access, "yes" if one.digest else "by proxy", since(one.seen_at)) for one in found]
        print_rows(("name", "scope", "password", "last seen"), rows)
    else:
        say("No accounts: on this host nobody needs one. `pageturner accounts add NAME` makes one for other hosts.")


@app.command("change", epilog="Example: [bold]pageturner accounts change anna --scope read[/]")
def change(
    name: NameOption,
    access: Annotated[Access | None, typer.Option("--scope", help="What its owner may do from now on.")] = None,
    *,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
) -> None:
    """Give an account another scope or password. Its sessions end."""
    if access is None and not password:
        raise Failure("What is to change? Give --scope or --password.", Exit.USAGE)
    secret = _ask_password() if password else None
    with with_store() as services:
        services.store.accounts.change(name, access=access, password=secret)
    say(f"'{name}' is changed, and has to sign in again.")


@app.command("remove", epilog="Example: [bold]pageturner accounts remove anna[/]")
def remove(name: NameOption) -> None:
    """Remove an account, and end its sessions."""
    with with_store() as services:
        services.store.accounts.remove(name)
    say(f"'{name}' is removed.")


def _ask_password() -> str:
    """Return a new password: asked for twice on a terminal, else the first line of standard input."""
    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline(_LONGEST_PASSWORD + 2).rstrip("\r\n")
    if not LEAST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise Failure(f"A password has at least {LEAST_PASSWORD} signs, and at most {_LONGEST_PASSWORD}.", Exit.USAGE)
    return password


def _may(access: Access) -> str:
    return "look and act" if access is Access.ACT else "look"
