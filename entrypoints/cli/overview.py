"""How an installation stands, as a table for people: a row for each list, or for each location where there are many."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestration.decisions.freshness import Freshness

from ..terminal import print_rows, say, shorten, since, until

if TYPE_CHECKING:
    from orchestration.decisions.overview import LocationView, Overview, StreamView

#: The most important first: a terminal shows as many as fit.
_COLUMNS = ("location", "stream", "state", "records", "as of", "next", "uId", "version")
_FOLDED = ("location", "state", "in step", "as of", "next", "uId")

#: Of more locations than this, each is one row, and only those that are not in step.
FOLD_ABOVE = 20

#: How many rows, and how many sentences, are shown of what is folded.
_MOST = 40


def print_overview(overview: "Overview", *, only_bad: bool, is_whole: bool) -> None:
    """Print what is mirrored: all of it, only what is not as it should be, or a row for each location of very many."""
    if len(overview.locations) > FOLD_ABOVE and not (only_bad or is_whole):
        _print_folded(overview)
        return
    cells = [
        _cells(one, row, overview)
        for one in overview.locations
        for row in one.streams
        if not only_bad or row.standing.words or one.token.words
    ]
    if cells:
        print_rows(_COLUMNS, _unrepeated(cells))
    elif only_bad:
        say("All is in step.")


def print_notes(notes: Sequence[str], *, is_folded: bool) -> None:
    """Say what is wrong and what to do; of very much, the first sentences."""
    shown = notes[:_MOST] if is_folded else notes
    for words in shown:
        say(words)
    if len(notes) > len(shown):
        say(f"{len(notes) - len(shown):,} more: `pageturner status --bad` has all.")


def _print_folded(overview: "Overview") -> None:
    bad = [one for one in overview.locations if one.is_bad]
    if bad:
        print_rows(_FOLDED, [_folded(one, overview) for one in bad[:_MOST]])
    if len(bad) > _MOST:
        say(f"{len(bad) - _MOST:,} more need a look: `pageturner status --bad`.")
    seen = (row.stream.seen_at for one in overview.locations for row in one.streams)
    oldest = min((moment for moment in seen if moment is not None), default=None)
    good = sum(all(map(_is_in_step, one.streams)) for one in overview.locations if not one.is_bad)
    say(f"{good:,} of {len(overview.locations):,} locations are in step, the oldest list as of {since(oldest)}.")
    unread = len(overview.locations) - len(bad) - good
    if unread:
        say(f"{unread:,} have lists that were not read yet, or not without changes meanwhile: --all shows them.")


def _is_in_step(row: "StreamView") -> bool:
    return row.standing.state == Freshness.FRESH


def _cells(one: "LocationView", row: "StreamView", overview: "Overview") -> list[str]:
    stream = row.stream
    return [
        one.location.name,
        stream.resource,
        row.standing.state,
        f"{stream.records:,}",
        since(stream.seen_at),
        _next(row, is_scheduler_running=overview.is_scheduler_running),
        one.location.uid,
        shorten(stream.version or ""),
    ]


def _unrepeated(cells: list[list[str]]) -> list[list[str]]:
    """Leave out a name and a uId that stand in the row before."""
    name, uid = _COLUMNS.index("location"), _COLUMNS.index("uId")
    last, shown = "", []
    for row in cells:
        is_same, last = row[uid] == last, row[uid]
        shown.append(["" if is_same and place in {name, uid} else cell for place, cell in enumerate(row)])
    return shown


def _folded(one: "LocationView", overview: "Overview") -> list[str]:
    worst = max((row.standing for row in one.streams), key=lambda standing: standing.alarm, default=one.token)
    state = one.token.state if one.token.words else worst.state
    good = sum(map(_is_in_step, one.streams))
    seen = [row.stream.seen_at for row in one.streams]
    oldest = None if None in seen else min((moment for moment in seen if moment is not None), default=None)
    due = [row.stream.due_at for row in one.streams if row.stream.due_at is not None]
    soonest = until(min(due, default=None)) if overview.is_scheduler_running else "-"
    return [one.location.name, state, f"{good} of {len(one.streams)}", since(oldest), soonest, one.location.uid]


def _next(row: "StreamView", *, is_scheduler_running: bool) -> str:
    """Return when the stream is due, or how far its crawl is; `-` if no scheduler runs."""
    if row.reading is None:
        return until(row.stream.due_at) if is_scheduler_running else "-"
    total = "?" if row.reading.total is None else f"{row.reading.total:,}"
    return f"{row.reading.state} {row.reading.pages:,}/{total}"
