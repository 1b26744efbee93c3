"""`pageturner changes`: the feed of what changed in the mirror."""

import json as json_
from dataclasses import asdict
from typing import Annotated

import typer

from storage.feed import Change

from ..living import reading
from ..printing import give, give_json


def changes(
    after: Annotated[int, typer.Option(help="Give only what comes after this number.", min=0)] = 0,
    location: Annotated[str | None, typer.Option(help="Of one location only.")] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="One object a line, for a program.")] = False,
) -> None:
    """Show inserts, updates and deletes in the order in which they were committed.

    Example: pageturner changes --after 1200 --json
    """
    with reading() as house:
        if location is not None:
            house.locations.watched([location])  # an unknown name is an error, not an empty answer
        for change in house.feed.after(after, location):
            if json:
                give_json(asdict(change))
            else:
                give(_line(change))


def _line(change: Change) -> str:
    key = " ".join(str(value) for value in change.key.values())
    changed = ""
    if change.op == "update" and change.before and change.after:
        names = [name for name in change.after | change.before if change.before.get(name) != change.after.get(name)]
        parts = (f"{name}: {_short(change.before.get(name))} -> {_short(change.after.get(name))}" for name in names)
        changed = "  " + ", ".join(parts)
    at = f"{change.at:%Y-%m-%d %H:%M:%S}"
    return f"{change.seq}  {at}  {change.location}  {change.resource}  {change.op}  {key}{changed}"


def _short(value: object) -> str:
    return json_.dumps(value, ensure_ascii=False)
