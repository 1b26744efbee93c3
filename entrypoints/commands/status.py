"""`pageturner status`: what is kept, how fresh it is, what is wrong and what to do."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration import standing as standing_
from orchestration.standing import Standing
from storage.counts import Disagreement
from storage.locations import Location
from storage.streams import Stream

from ..living import reading
from ..printing import give_json, make_table, results, say, shorten, since

if TYPE_CHECKING:
    from tasks.house import House


def status(*, json: Annotated[bool, typer.Option("--json", help="For a program.")] = False) -> None:
    """Show locations and streams: last publish, counts, version, what is wrong and what to do.

    Example: pageturner status --json
    """
    now = datetime.now(UTC)
    with reading() as house:
        seen = [_look(house, one, now) for one in house.locations.watched()]
    if json:
        give_json([_described(one) for one in seen])
        return
    if not seen:
        say("No locations yet: pageturner locations add FILE")
        return
    table = make_table("location", "stream", "state", "records", "published", "version")
    for one in seen:
        for place, (stream, standing) in enumerate(one.streams):
            table.add_row(
                one.location.name if place == 0 else "",
                stream.resource,
                standing.state,
                f"{stream.records:,}",
                since(stream.published_at),
                shorten(stream.version or ""),
            )
    results.print(table)
    for one in seen:
        for words in one.notes():
            say(f"{one.location.name}{words}")


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A location as it stands, with its streams."""

    location: Location
    token: Standing
    streams: list[tuple[Stream, Standing]]
    counts: list[Disagreement]

    def notes(self) -> Iterator[str]:
        """Give what there is to say, and say nothing twice."""
        if self.token.words:
            yield f": {self.token.words}"
        for stream, standing in self.streams:
            if standing.words and standing.words != self.token.words:
                yield f" {stream.resource}: {standing.words}"
        for words in standing_.of_counts(self.counts):
            yield f" assignments: {words}"


def _look(house: "House", location: Location, now: datetime) -> _Seen:
    streams = house.streams.watched(location.id)
    return _Seen(
        location=location,
        token=standing_.of_token(location, now),
        streams=[(stream, standing_.of_stream(location, stream)) for stream in streams],
        counts=house.counts.known(location.id),
    )


def _described(one: _Seen) -> dict[str, Any]:
    return {
        "name": one.location.name,
        "uid": one.location.uid,
        "state": one.token.state,
        "problem": one.token.words,
        "token_expires": one.location.token_expires,
        "expires_within_days": one.token.within_days,
        "disagreements": [asdict(count) for count in one.counts],
        "streams": [
            {
                "resource": stream.resource,
                "state": standing.state,
                "records": stream.records,
                "version": stream.version,
                "published_at": stream.published_at,
                "full_at": stream.full_at,
                "held_deletes": stream.held_deletes or 0,
                "problem": standing.words,
            }
            for stream, standing in one.streams
        ],
    }
