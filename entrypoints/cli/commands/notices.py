"""`pageturner notices`: subscribe to Apple's notices of changes, and list them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from apple.notices import TYPES
from settings import APPLE_URL, read_duration, read_settings

from ...exits import Exit, Failure
from ...terminal import as_json, print_rows, say, since, write_json
from ..context import with_gate, with_store
from ..options import NameArgument, NamesArgument

if TYPE_CHECKING:
    from storage.notices import StoredNotice

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)


@app.command("subscribe", epilog="Example: pageturner notices subscribe hq --url https://mdm.example.com/notices")
def subscribe(
    name: NameArgument,
    url: Annotated[str, typer.Option(help="The public URL of `pageturner webhook`: https://…/notices")],
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="The type of notice; can be repeated. The default is all.")
    ] = None,
    *,
    claim: Annotated[
        bool, typer.Option("--claim", help="Take the location over from the service that holds it at Apple.")
    ] = False,
) -> None:
    """Subscribe a URL to the notices of a location, with a secret made for it.

    This is the one thing that Pageturner writes to Apple. Apple tries the URL out first: the receiver must run.
    """
    _check_url(url)
    unknown = [one for one in type_ or () if one not in TYPES]
    if unknown:
        raise Failure(f"There is no type {', '.join(unknown)}; there are {', '.join(TYPES)}.", Exit.USAGE)
    with with_gate() as services:
        location = services.store.locations.watched([name])[0]
        now = services.use_cases.subscriber.subscribe(location, url, tuple(type_ or ()), claim=claim)
        say(f"Apple sends the notices of '{name}' ({location.uid}) to {now.url}: {', '.join(now.types)}.")


@app.command("unsubscribe", epilog="Example: pageturner notices unsubscribe hq")
def unsubscribe(
    name: NameArgument,
    *,
    claim: Annotated[
        bool, typer.Option("--claim", help="Unsubscribe even if the notices go to another service.")
    ] = False,
) -> None:
    """End the subscription of a location, and revoke its secret."""
    with with_gate() as services:
        location = services.store.locations.watched([name])[0]
        were_sent = services.use_cases.subscriber.unsubscribe(location, claim=claim)
        if were_sent:
            say(f"Apple sends no more notices of '{name}'. Scheduled syncs go on.")
        else:
            say(f"Apple sends no notices of '{name}' to anybody; nothing was changed there.")


@app.command("list", epilog="Example: pageturner notices list hq --limit 20")
def list_(
    names: NamesArgument = None,
    limit: Annotated[int, typer.Option(min=1, help="The number of notices to list.")] = 50,
    *,
    unhandled: Annotated[bool, typer.Option("--unhandled", help="Only notices that are not handled yet.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Only notices of locations that are not kept here.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, with the text of each notice.")] = False,
) -> None:
    """List the notices that came, the newest first."""
    with with_store() as services:
        if names:
            services.store.locations.watched(names)
        kept = services.store.notices.last(names, limit, unhandled=unhandled, unknown=unknown)
    if json:
        write_json([as_json(one) for one in kept])
        return
    rows = [
        (since(one.received_at), one.name or "-", one.type, _outcome(one), f"{one.deliveries} x", one.uid)
        for one in kept
    ]
    if rows:
        print_rows(("received", "location", "type", "wanted", "came", "uId"), rows)
    if not kept and (unknown or unhandled or names):
        say("No such notices.")
    elif not kept:
        say("No notices: `pageturner notices subscribe` has Apple send them, to a running `pageturner webhook`.")


@app.command("replay", epilog="Example: pageturner notices replay hq --since 2h")
def replay(
    names: NamesArgument = None,
    since_: Annotated[str | None, typer.Option("--since", help="Only notices of the last 90s, 15m, 6h or 7d.")] = None,
    id_: Annotated[
        list[str] | None, typer.Option("--id", help="The notice with this notificationId; can be repeated.")
    ] = None,
) -> None:
    """Handle notices once more: the scheduler syncs what they are about."""
    if not names and since_ is None and not id_:
        raise Failure("Which notices? Give a NAME, --since or --id.", Exit.USAGE)
    moment = None
    if since_ is not None:
        try:
            moment = datetime.now(UTC) - read_duration(since_)
        except ValueError as error:
            raise Failure(f"--since: {error}", Exit.USAGE) from None
    with with_store() as services:
        locations = services.store.locations.watched(names) if names else []
        uids = services.store.notices.replay([one.name for one in locations], moment, id_)
    if not uids:
        raise Failure("There are no such notices.", Exit.USAGE)
    say(f"The scheduler will handle {len(uids)} notices of {len(set(uids))} locations again.")


def _outcome(one: "StoredNotice") -> str:
    if one.handled_at is None:
        return "not yet"
    if one.wanted is None:
        return "unknown location"
    return ", ".join(one.wanted) or "nothing"


def _check_url(url: str) -> None:
    try:
        split = urlsplit(url)
        split.port  # noqa: B018 - reading it is what may fail
    except ValueError:
        raise Failure("The URL cannot be read: https://mdm.example.com/notices is one.", Exit.USAGE) from None
    schemes = {"https"} if read_settings().apple_url == APPLE_URL else {"https", "http"}
    if split.scheme not in schemes or not split.hostname or split.query or split.fragment or split.username:
        words = (
            "Apple sends notices to an HTTPS address of host and path alone, such as https://mdm.example.com/notices"
        )
        raise Failure(f"{words}. This is none: {url}", Exit.USAGE)
