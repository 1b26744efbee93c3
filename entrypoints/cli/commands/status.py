"""`pageturner status`: what is kept, how fresh it is, what is wrong and what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apple.notices import WANTED
from settings import read_duration

from ...exits import Exit, Failure
from ...terminal import as_json, say, since, until, write_json
from ..context import with_store
from ..options import NamesArgument

if TYPE_CHECKING:
    from orchestration.decisions.overview import LocationView, Overview, StreamView
    from storage.locations import Location
    from storage.notices import NoticeCounts


def status(
    names: NamesArgument = None,
    *,
    bad: Annotated[bool, typer.Option("--bad", help="Only what is not as it should be.")] = False,
    every: Annotated[bool, typer.Option("--all", help="A row for each list, however many there are.")] = False,
    is_check: Annotated[
        bool, typer.Option("--check", help="One line and an exit status: 0 in step, 1 late, 2 failing.")
    ] = False,
    max_age: Annotated[
        str | None, typer.Option(help="With --check: a stream older than this (90s, 15m, 2h, 7d) is failing.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show locations and streams: how old what is mirrored is, counts, version, what is wrong and what to do.

    Examples: pageturner status hq, pageturner status --bad, pageturner status --check --max-age 2h
    """
    oldest = _duration(max_age)
    if oldest is not None and not is_check:
        raise Failure("--max-age goes with --check.", Exit.USAGE)
    from ...overview import look, look_closely
    from ..check import check, unknown
    from ..overview import FOLD_ABOVE, print_notes, print_overview

    if is_check:
        if names or bad:
            raise Failure("--check is of the whole installation: it takes no NAME and no --bad.", Exit.USAGE)
        with unknown(), with_store() as services:
            check(look(services, oldest), json=json)
        return
    with with_store() as services:
        overview = _chosen(look_closely(services), services.store.locations.watched(names), only_bad=bad)
        notice_counts = [] if names else services.store.notices.counts()
    if json:
        write_json(
            {
                "as_of": overview.now,
                "verdict": overview.alarm.name.lower(),
                "ticked_at": overview.ticked_at,
                "outages": overview.outages,
                "locations": [_described(one, notice_counts) for one in overview.locations],
                "notices": [as_json(one) for one in notice_counts],
            }
        )
        return
    if overview.locations:
        print_overview(overview, only_bad=bad, is_whole=every or bool(names))
    else:
        say("All is in step." if bad else "No locations yet: pageturner locations add FILE")
    notes = (*overview.notes(), *_closed(overview), *_of_notices(notice_counts))
    print_notes(notes, is_folded=len(overview.locations) > FOLD_ABOVE and not bad)


def _chosen(overview: "Overview", locations: Sequence["Location"], *, only_bad: bool) -> "Overview":
    """Return an overview of some locations."""
    wanted = {one.id for one in locations}
    kept = [one for one in overview.locations if one.location.id in wanted and (one.is_bad or not only_bad)]
    return replace(overview, locations=kept)


def _closed(overview: "Overview") -> Iterator[str]:
    """Yield a line for each location whose gate is shut."""
    from advice import advise

    for one in overview.locations:
        if one.closing is not None:
            why = advise(one.closing.why, one.closing.error)
            yield f"{one.location.name}: Apple is asked again {until(one.closing.until)}. {why}"


def _of_notices(notice_counts: Sequence["NoticeCounts"]) -> Iterator[str]:
    """Yield a line for notices that are not handled, of unknown types, or of unknown locations."""
    unhandled = [one for one in notice_counts if one.unhandled]
    if unhandled:
        count = sum(one.unhandled for one in unhandled)
        yield f"Notices: {count} not handled yet, the last {since(max(one.last_at for one in unhandled))}."
    for one in notice_counts:
        if one.name is None:
            words = f"{one.count} {one.type} of location {one.uid}, which is not kept here"
            yield f"Notices: {words}, the last {since(one.last_at)}."
        elif one.type not in WANTED:
            words = f"{one.count} of type {one.type} for {one.name}, which is not known: everything was looked at"
            yield f"Notices: {words}, the last {since(one.last_at)}."


def _described(one: "LocationView", notice_counts: Sequence["NoticeCounts"]) -> dict[str, Any]:
    mine = [metrics for metrics in notice_counts if metrics.uid == one.location.uid]
    return {
        "name": one.location.name,
        "uid": one.location.uid,
        "name_at_apple": one.location.apple_name,
        "state": one.token.state,
        "problem": one.token.words,
        "managed_by": one.location.owner_name,
        "token_expires": one.location.token_expires,
        "expires_within_days": one.token.within_days,
        "asked_at": one.location.asked_at,
        "closed_until": None if one.closing is None else one.closing.until,
        "notices": {
            "url": one.location.notice_url,
            "types": one.location.notice_types or [],
            "received": sum(metrics.count for metrics in mine),
            "unhandled": sum(metrics.unhandled for metrics in mine),
            "last_at": max((metrics.last_at for metrics in mine), default=None),
        },
        "disagreements": [asdict(count) for count in one.counts],
        "streams": [_described_row(row) for row in one.streams],
    }


def _described_row(row: "StreamView") -> dict[str, Any]:
    stream = row.stream
    return {
        "resource": stream.resource,
        "state": row.standing.state,
        "records": stream.records,
        "version": stream.version,
        "seen_at": stream.seen_at,
        "published_at": stream.published_at,
        "full_at": stream.full_at,
        "due_at": stream.due_at,
        "every_seconds": int(row.verdict.limit.total_seconds()),
        "failures": stream.failures,
        "held_deletes": stream.held_deletes or 0,
        "problem": row.standing.words,
        "reading": None if row.reading is None else asdict(row.reading),
    }


def _duration(text: str | None) -> timedelta | None:
    try:
        return None if text is None else read_duration(text)
    except ValueError as error:
        raise Failure(f"--max-age: {error}", Exit.USAGE) from None
