"""`pageturner status`: what is kept, how fresh it is, what is wrong and what to do."""

from typing import Annotated, Any

import typer

from storage.locations import Location
from storage.streams import Stream

from ..living import reading
from ..printing import give_json, make_table, results, say, since


def status(*, json: Annotated[bool, typer.Option("--json", help="For a program.")] = False) -> None:
    """Show locations and streams: last publish, counts, version, what is wrong and what to do.

    Example: pageturner status --json
    """
    with reading() as house:
        kept = [(one, house.streams.watched(one.id)) for one in house.locations.watched()]
    if json:
        give_json([_location(one, streams) for one, streams in kept])
        return
    if not kept:
        say("No locations yet: pageturner locations add FILE")
        return
    table = make_table("location", "stream", "state", "records", "published", "version")
    for one, streams in kept:
        for place, stream in enumerate(streams):
            name = one.name if place == 0 else ""
            table.add_row(
                name,
                stream.resource,
                _state(one, stream),
                f"{stream.records:,}",
                since(stream.published_at),
                stream.version or "",
            )
    results.print(table)
    _say_problems(kept)


def _say_problems(kept: list[tuple[Location, list[Stream]]]) -> None:
    for one, streams in kept:
        if one.problem:
            say(f"{one.name}: {one.problem}")
        for stream in streams:
            if stream.problem and stream.problem != one.problem:
                say(f"{one.name} {stream.resource}: {stream.problem}")


def _state(location: Location, stream: Stream) -> str:
    if location.state != "valid":
        return str(location.state)
    if stream.held_deletes:
        return "held"
    if stream.problem:
        return "torn" if stream.full_wanted == "torn" else "failing"
    return "in step" if stream.published_at else "new"


def _location(location: Location, streams: list[Stream]) -> dict[str, Any]:
    return {
        "name": location.name,
        "uid": location.uid,
        "state": location.state,
        "problem": location.problem,
        "token_expires": location.token_expires,
        "streams": [
            {
                "resource": stream.resource,
                "state": _state(location, stream),
                "records": stream.records,
                "version": stream.version,
                "published_at": stream.published_at,
                "problem": stream.problem,
            }
            for stream in streams
        ],
    }
