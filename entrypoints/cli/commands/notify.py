"""`pageturner notify`: which people and programs are told what happens."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...exits import Exit, Failure
from ...terminal import print_rows, say, since, until, write, write_json
from ..completions import location_names
from ..context import with_store

if TYPE_CHECKING:
    from storage.channels import AlertChannel
    from storage.hooks import Hook
    from tasks.services import Services

    from ..notify_file import ChannelEntry, WebhookEntry

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)

Name = Annotated[str, typer.Argument(help="The name of a channel or a webhook.")]


@app.command("apply", epilog="Example: [bold]pageturner notify apply notify.toml[/]")
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The TOML file.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Forget what the file does not name.")] = False,
) -> None:
    """Tell the people and programs that a file names. Addresses are kept sealed, as tokens are."""
    from ..notify_file import read_notify_file

    channels, webhooks = read_notify_file(file)
    with with_store() as services:
        told = _told(services, channels, webhooks)
        known = {_key(one): one for one in _kept(services)}
        others = sorted(set(known) - {_key(one) for one, _ in told})
        changed = [(one, secret) for one, secret in told if not _is_same(known.get(_key(one)), one, secret)]
        for one, _ in changed:
            write(f"{'~ change' if _key(one) in known else '+ add   '} {' '.join(_key(one))}")
        for kind, name in others:
            write(f"{'- remove' if prune else '  keep  '} {kind} {name}{'' if prune else ': not in the file'}")
        if dry_run:
            say("Nothing was done.")
            raise typer.Exit(Exit.PENDING if changed or (prune and others) else Exit.IN_STEP)
        for one, secret in changed:
            _put(services, one, secret)
        for kind, name in others if prune else []:
            (services.store.channels if kind == _CHANNEL else services.store.hooks).remove(name)
    say("Done. `pageturner notify test` sends something to each of them.")


_CHANNEL, _WEBHOOK = "channel", "webhook"


def _key(one: "AlertChannel | Hook") -> tuple[str, str]:
    """Return what somebody who is told is, and is called."""
    return (_WEBHOOK if hasattr(one, "has_records") else _CHANNEL), one.name


def _kept(services: "Services") -> "list[AlertChannel | Hook]":
    return [*services.store.channels.all(), *services.store.hooks.all()]


def _told(
    services: "Services", channels: "list[ChannelEntry]", webhooks: "list[WebhookEntry]"
) -> "list[tuple[AlertChannel | Hook, str | None]]":
    """Return who is to be told, each webhook with its secret if the file names one; every location is found."""
    from storage.channels import AlertChannel
    from storage.hooks import Hook

    now, told = services.store.now(), []
    for entry in channels:
        uids = _uids(services, entry.locations)
        told.append((AlertChannel(name=entry.name, url=entry.url, rules=entry.rules, uids=uids), None))
    hooks = [
        Hook(
            name=entry.name,
            url=entry.url,
            uids=_uids(services, entry.locations),
            resources=entry.resources,
            has_records=entry.has_records,
            added_at=now,
        )
        for entry in webhooks
    ]
    return [*told, *zip(hooks, (entry.secret for entry in webhooks), strict=True)]


def _is_same(kept: "AlertChannel | Hook | None", told: "AlertChannel | Hook", secret: str | None) -> bool:
    """Return whether somebody is told as the file has it already. A secret that it names is always put in its place."""
    names = ("url", "uids", "rules", "resources", "has_records")
    alike = all(getattr(kept, name, None) == getattr(told, name, None) for name in names)
    return kept is not None and secret is None and alike


def _put(services: "Services", one: "AlertChannel | Hook", secret: str | None) -> None:
    from storage.hooks import Hook

    if not isinstance(one, Hook):
        services.store.channels.put(one)
    elif services.store.hooks.put(one, secret) and secret is None:
        say(f"{one.name}: `pageturner notify secret {one.name}` prints the secret that its receiver needs.")


def _uids(services: "Services", names: list[str] | None) -> list[str] | None:
    return None if names is None else [services.store.locations.named(name).uid for name in names]


@app.command("list", epilog="Example: [bold]pageturner notify list --json[/]")
def list_(*, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the channels and webhooks, what each is told of, and how it stands. Addresses of channels are not shown."""
    with with_store() as services:
        told = [*_channels(services), *_hooks(services)]
    if json:
        write_json(told)
    elif told:
        rows = [(one["name"], one["kind"], one["state"], one["told_of"], one["locations"], one["url"]) for one in told]
        print_rows(("name", "kind", "state", "told of", "locations", "url"), rows)
    else:
        say("Nobody is told: pageturner notify apply FILE.toml, or PAGETURNER_NOTIFY.")


def _channels(services: "Services") -> Iterator[dict[str, Any]]:
    from orchestration.courier import scheme_of

    names = {one.uid: one.name for one in services.store.locations.watched()}
    dead = {one.channel for one in services.store.alerts.dead()}
    for one in services.use_cases.teller.channels():
        yield {
            "name": one.name,
            "kind": f"channel ({scheme_of(one.url)})",
            "state": "has dead messages" if one.name in dead else "told",
            "told_of": "everything" if one.rules is None else ", ".join(one.rules),
            "locations": _places(one.uids, names),
            "url": f"{scheme_of(one.url)}://…",
        }


def _hooks(services: "Services") -> Iterator[dict[str, Any]]:
    from orchestration.hook_client import shown

    names = {one.uid: one.name for one in services.store.locations.watched()}
    troubled = services.store.hooks.troubled()
    for one in services.store.hooks.all():
        mine = [position for position in troubled if position.hook == one.name]
        yield {
            "name": one.name,
            "kind": "webhook",
            "state": _state(one, len(mine), sum(position.dead_at is not None for position in mine)),
            "told_of": ", ".join(one.resources or ["every list"]) + ("" if one.has_records else ", without records"),
            "locations": _places(one.uids, names),
            "url": shown(one.url),
        }


def _state(hook: "Hook", failing: int, dead: int) -> str:
    if hook.gone_at is not None:
        return "gone: it answered 410"
    if hook.dead_at is not None:
        return "dead: it does not begin anew"
    if dead:
        return f"dead for {dead} locations"
    return f"failing for {failing} locations" if failing else "told"


def _places(uids: list[str] | None, names: dict[str, str]) -> str:
    return "all" if uids is None else ", ".join(names.get(uid, uid) for uid in uids)


@app.command("test", epilog="Example: [bold]pageturner notify test it-team[/]")
def try_out(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="The default is all.")] = None,
) -> None:
    """Send something to channels and webhooks at once, and say how each answered."""
    with with_store() as services:
        found = dict(_tries(services))
        unknown = [name for name in names or () if name not in found]
        if unknown:
            raise Failure(f"Nobody is called '{unknown[0]}'; there are {', '.join(found) or 'none yet'}.", Exit.USAGE)
        chosen = [name for name in found if not names or name in names]
        troubles = {name: found[name]() for name in chosen}
    for name, trouble in troubles.items():
        say(f"{name}: {trouble or 'it was taken.'}")
    if not troubles:
        say("Nobody is told: pageturner notify apply FILE.toml, or PAGETURNER_NOTIFY.")
    if any(troubles.values()):
        raise typer.Exit(Exit.FAILED)


def _tries(services: "Services") -> Iterator[tuple[str, Any]]:
    """Yield how to send something to each of those who are told, by their names."""
    title, body = "Pageturner: a test", "This is a test: `pageturner notify test` was run."
    for channel in services.use_cases.teller.channels():
        yield channel.name, lambda url=channel.url: services.needs.telling.send(url, title, body)
    for hook in services.store.hooks.all():
        yield hook.name, lambda hook=hook: services.use_cases.hook_sender.test(hook)


@app.command("dead", epilog="Example: [bold]pageturner notify dead --json[/]")
def dead(*, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List what could not be told: what is tried again, and what is dead after three days until it is replayed."""
    with with_store() as services:
        positions = services.store.hooks.troubled()
        messages = services.store.alerts.dead()
        stuck = [one for one in services.store.hooks.all() if one.failing_since is not None or one.gone_at is not None]
    if json:
        told = [{"hook": one.name, "gone_at": one.gone_at, "dead_at": one.dead_at, "error": one.error} for one in stuck]
        write_json([*told, *({"kind": "webhook", **vars(one)} for one in positions), *map(vars, messages)])
        return
    rows = [(one.name, "all locations", _state(one, 0, 0), "", one.error or "") for one in stuck]
    rows += [
        (one.hook, one.name, "dead" if one.dead_at else f"again {until(one.next_at)}", str(one.seq), one.error or "")
        for one in positions
    ]
    rows += [(one.channel, one.title, "dead", "", one.error or "") for one in messages]
    if rows:
        print_rows(("to", "about", "state", "after", "why"), rows)
    for one in positions:
        say(f"{one.hook}, {one.name}: failing since {since(one.failing_since)}, tried {one.attempts} times.")
    if not rows:
        say("All was told.")


@app.command("replay", epilog="Example: [bold]pageturner notify replay mdm --location hq[/]")
def replay(
    name: Name,
    location: Annotated[
        list[str] | None,
        typer.Option(help="Only what is about this location; can be repeated.", autocompletion=location_names),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="BOOKMARK", help="Tell a webhook everything after this bookmark once more.")
    ] = None,
) -> None:
    """Tell again what could not be told, or with a bookmark, what was told already."""
    with with_store() as services:
        if name in {one.name for one in services.use_cases.teller.channels()}:
            if after is not None or location:
                raise Failure(f"'{name}' is a channel: it takes no --after and no --location.", Exit.USAGE)
            say(f"{services.store.alerts.replay(name)} messages are sent again to '{name}'.")
            return
        seq = None if after is None else _seq(services, after)
        services.store.hooks.replay(name, _uids(services, location or None), seq)
        say(f"'{name}' is told again.")


def _seq(services: "Services", after: str) -> int:
    from ..given import given_bookmark

    return given_bookmark(after, services.store.feed.extent())


@app.command("secret", epilog="Example: [bold]pageturner notify secret mdm[/]")
def secret(name: Name) -> None:
    """Print the secret of a webhook, by which its receiver checks that a delivery is ours."""
    with with_store() as services:
        write(services.store.hooks.secret(name))
