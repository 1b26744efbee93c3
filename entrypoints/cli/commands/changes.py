"""`pageturner changes`: the feed of what changed in the mirror."""

import json as json_
from typing import TYPE_CHECKING, Annotated

import typer

from apple.texts import clean

from ...exits import Exit, Failure
from ...terminal import as_json, say, write, write_json
from ..context import with_store

if TYPE_CHECKING:
    from storage.mirror.feed import Change, Extent


def changes(
    after: Annotated[
        str | None, typer.Option(metavar="BOOKMARK", help="Print only the changes after this bookmark or number.")
    ] = None,
    location: Annotated[str | None, typer.Option(help="Only changes of this location, watched or not.")] = None,
    *,
    bookmark: Annotated[bool, typer.Option("--bookmark", help="Print the current bookmark, and no changes.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show inserts, updates and deletes in the order in which they were committed.

    Example: pageturner changes --after 1200 --json
    """
    with with_store() as services:
        services.store.feed.recognise()
        extent = services.store.feed.extent()
        if bookmark:
            write(_bookmark(extent, extent.last))
            return
        seq = extent.pruned if after is None else _read(after, extent)
        if after is None and extent.pruned:
            say(f"Changes up to {extent.pruned} are no longer kept.")
        uid = None if location is None else services.store.locations.named(location).uid
        for change in services.store.feed.after(seq, uid):
            if json:
                write_json({"bookmark": _bookmark(extent, change.seq), **as_json(change)})
            else:
                write(_line(change))


def _bookmark(extent: "Extent", seq: int) -> str:
    return f"{extent.name}:{seq}"


def _read(after: str, extent: "Extent") -> int:
    """Read a bookmark; one that this feed cannot go on from is refused, for its reader would miss something."""
    name, _, number = after.rpartition(":")
    if not number.isascii() or not number.isdecimal():
        raise Failure(f"--after: '{clean(after)}' is neither a number nor a bookmark.", Exit.USAGE)
    seq = int(number)
    anew = "Begin anew: take `pageturner changes --bookmark`, then export, then read on from there."
    if name and name != extent.name:
        words = "This bookmark is of another feed: the database is another one, or was restored from a backup."
        raise Failure(f"{words} {anew}", Exit.USAGE)
    if seq > extent.last:
        words = f"{seq} lies beyond the feed, which ends with {extent.last}: it is of another database."
        raise Failure(f"{words} {anew}", Exit.USAGE)
    if seq < extent.pruned:
        words = f"{seq} is too long ago: changes up to {extent.pruned} are no longer kept (PAGETURNER_CHANGES_KEPT)."
        raise Failure(f"{words} {anew}", Exit.USAGE)
    return seq


def _line(change: "Change") -> str:
    key = " ".join(str(value) for value in change.key.values())
    changed = ""
    if change.op == "update" and change.before and change.after:
        names = [name for name in change.after | change.before if change.before.get(name) != change.after.get(name)]
        parts = (f"{name}: {_short(change.before.get(name))} -> {_short(change.after.get(name))}" for name in names)
        changed = "  " + ", ".join(parts)
    at = f"{change.at:%Y-%m-%d %H:%M:%S}"
    return clean(f"{change.seq}  {at}  {change.name}  {change.resource}  {change.op}  {key}{changed}")


def _short(value: object) -> str:
    return json_.dumps(value, ensure_ascii=False)
