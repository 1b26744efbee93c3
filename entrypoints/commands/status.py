"""`pageturner status`: what is kept, how fresh it is, what is wrong and what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apple.notices import WANTED
from orchestration import standing as standing_
from orchestration.freshness import judge
from orchestration.standing import Standing
from settings import read_duration
from storage.counts import Disagreement
from storage.locations import Location
from storage.notices import Tally
from storage.progress import ProgressReport
from storage.streams import Stream

from ..checking import check, unknown
from ..embedded import join_if_any
from ..exits import Exit, Failure
from ..living import reading
from ..printing import give_json, make_table, results, say, shorten, since, until

if TYPE_CHECKING:
    from tasks.house import House


def status(
    *,
    is_check: Annotated[
        bool, typer.Option("--check", help="One line and an exit status: 0 in step, 1 late, 2 failing.")
    ] = False,
    max_age: Annotated[
        str | None, typer.Option(help="With --check: what is older than this (90s, 15m, 2h, 7d) is failing.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Show locations and streams: how old what is mirrored is, counts, version, what is wrong and what to do.

    Examples: pageturner status --json, pageturner status --check --max-age 2h
    """
    oldest = _duration(max_age)
    if oldest is not None and not is_check:
        raise Failure("--max-age goes with --check.", Exit.USAGE)
    if is_check:
        with unknown(), reading() as house:
            check(house, house.database.now(), oldest, json=json)
        return
    with reading() as house:
        now = house.database.now()
        seen = _look_at_all(house, now)
        tallies = house.notices.tallies()
        away = list(_away(house))
    if json:
        locations = [_described(one, tallies) for one in seen]
        give_json({"as_of": now, "locations": locations, "notices": [asdict(one) for one in tallies]})
        return
    if seen:
        results.print(_table(seen))
        for one in seen:
            for words in one.notes():
                say(f"{one.location.name}{words}")
    else:
        say("No locations yet: pageturner locations add FILE")
    for words in (*_of_notices(tallies), *away):
        say(words)


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A stream as it stands."""

    stream: Stream
    standing: Standing
    #: The crawl that reads it now, if one does.
    reading: ProgressReport | None
    every: timedelta


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A location as it stands, with its streams."""

    location: Location
    token: Standing
    rows: list[_Row]
    counts: list[Disagreement]

    def notes(self) -> Iterator[str]:
        """Give what there is to say, and say nothing twice."""
        if self.token.words:
            yield f": {self.token.words}"
        for row in self.rows:
            if row.standing.words and row.standing.words != self.token.words:
                yield f" {row.stream.resource}: {row.standing.words}"
        for words in standing_.of_counts(self.counts):
            yield f" assignments: {words}"


def _look_at_all(house: "House", now: datetime) -> list[_Seen]:
    reports, _ = house.progress.of(house.syncs.open_ones())
    under_way = {(one.uid, one.resource): one for one in reports if not one.is_over}
    streams = house.streams.by_location()
    return [_look(house, one, streams.get(one.id, []), under_way, now) for one in house.locations.watched()]


def _look(
    house: "House",
    location: Location,
    streams: Sequence[Stream],
    under_way: dict[tuple[str, str], ProgressReport],
    now: datetime,
) -> _Seen:
    rows = []
    for verdict in judge(location, streams, house.intervals, now):
        stream = verdict.stream
        row = _Row(
            stream=stream,
            standing=standing_.of_stream(verdict),
            reading=under_way.get((location.uid, stream.resource)),
            every=verdict.limit,
        )
        rows.append(row)
    token = standing_.of_token(location, now)
    return _Seen(location=location, token=token, rows=rows, counts=house.counts.known(location.id))


def _table(seen: Sequence[_Seen]) -> Any:
    table = make_table("location", "uId", "stream", "state", "records", "as of", "next", "version")
    for one in seen:
        for place, row in enumerate(one.rows):
            stream = row.stream
            table.add_row(
                one.location.name if place == 0 else "",
                one.location.uid if place == 0 else "",
                stream.resource,
                row.standing.state,
                f"{stream.records:,}",
                since(stream.seen_at),
                _next(row),
                shorten(stream.version or ""),
            )
    return table


def _next(row: _Row) -> str:
    if row.reading is None:
        return until(row.stream.due_at)
    total = "?" if row.reading.total is None else f"{row.reading.total:,}"
    return f"reading {row.reading.pages:,}/{total}"


def _away(house: "House") -> Iterator[str]:
    """Say what those who work wait for: what Apple wants left alone, and servers that are away."""
    from tasks.house import read_board

    names = {location.uid: location.name for location in house.locations.watched()}
    for uid, closing in house.closings.standing().items():
        if uid in names:
            yield f"{names[uid]}: Apple is asked again {until(closing.until)}. {closing.why}"
    if not house.settings.is_embedded or join_if_any(house.settings):
        yield from read_board(house.settings).values()


def _of_notices(tallies: Sequence[Tally]) -> Iterator[str]:
    """Say of notices what nobody would see otherwise."""
    unhandled = [one for one in tallies if one.unhandled]
    if unhandled:
        count = sum(one.unhandled for one in unhandled)
        yield f"Notices: {count} not acted on yet, the last {since(max(one.last_at for one in unhandled))}."
    for one in tallies:
        if one.location is None:
            words = f"{one.count} {one.type} of location {one.uid}, which is not kept here"
            yield f"Notices: {words}, the last {since(one.last_at)}."
        elif one.type not in WANTED:
            words = f"{one.count} of type {one.type} for {one.location}, which is not known: everything was looked at"
            yield f"Notices: {words}, the last {since(one.last_at)}."


def _described(one: _Seen, tallies: Sequence[Tally]) -> dict[str, Any]:
    mine = [tally for tally in tallies if tally.uid == one.location.uid]
    return {
        "name": one.location.name,
        "uid": one.location.uid,
        "name_at_apple": one.location.apple_name,
        "state": one.token.state,
        "problem": one.token.words,
        "token_expires": one.location.token_expires,
        "expires_within_days": one.token.within_days,
        "asked_at": one.location.asked_at,
        "notices": {
            "url": one.location.notice_url,
            "types": one.location.notice_types or [],
            "received": sum(tally.count for tally in mine),
            "unhandled": sum(tally.unhandled for tally in mine),
            "last_at": max((tally.last_at for tally in mine), default=None),
        },
        "disagreements": [asdict(count) for count in one.counts],
        "streams": [_described_row(row) for row in one.rows],
    }


def _described_row(row: _Row) -> dict[str, Any]:
    stream, under_way = row.stream, row.reading
    return {
        "resource": stream.resource,
        "state": row.standing.state,
        "records": stream.records,
        "version": stream.version,
        "seen_at": stream.seen_at,
        "published_at": stream.published_at,
        "full_at": stream.full_at,
        "due_at": stream.due_at,
        "every_seconds": int(row.every.total_seconds()),
        "failures": stream.failures,
        "held_deletes": stream.held_deletes or 0,
        "problem": row.standing.words,
        "reading": None if under_way is None else {"pages": under_way.pages, "total": under_way.total},
    }


def _duration(text: str | None) -> timedelta | None:
    try:
        return None if text is None else read_duration(text)
    except ValueError as error:
        raise Failure(f"--max-age: {error}", Exit.USAGE) from None
