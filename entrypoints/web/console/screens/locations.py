"""Locations: all of them in a row each, the worst first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from orchestration.decisions.health import Alarm
from orchestration.decisions.overview import LocationView

from ....overview import look
from ....sheets import Sheet
from ..query import Query, WrongQuery, write_position
from ..screen import Kind, ListPages, Screen, cut

if TYPE_CHECKING:
    from tasks.services import Services


@dataclass(frozen=True, kw_only=True)
class LocationRow:
    """A location."""

    location: str
    location_uid: str
    apple_name: str
    country: str | None
    #: What is most wrong with it, or `in step`.
    state: str
    alarm: str
    words: str | None
    token_expires: datetime
    #: When the list was in step that is the furthest behind.
    as_of: datetime | None
    records: int
    lists: int


@dataclass(frozen=True, kw_only=True)
class LocationsShown:
    """What the screen shows."""

    as_of: datetime
    rows: Sequence[LocationRow]
    pages: ListPages
    #: How many locations there are in each state.
    states: Mapping[str, int]
    state: str
    text: str


def read(services: "Services", query: Query) -> Screen:
    """Read a page of locations."""
    rows, states = _rows(services, query)
    position = query.position()
    if position is not None and list(map(type, position)) != [int, str, str]:
        raise WrongQuery("'after' does not come from a page of this list.")
    left = rows if position is None else [one for one in rows if _place(one) > tuple(position)]
    shown, pages = cut(left, lambda one: write_position(_place(one)), query)
    facts = LocationsShown(
        as_of=services.store.now(),
        rows=shown,
        pages=pages,
        states=states,
        state=query.text("state"),
        text=query.text("q"),
    )
    return Screen(title="Locations", facts=facts)


def read_all(services: "Services", query: Query) -> Sheet:
    """Read all of them."""
    names = LocationRow.__dataclass_fields__
    kinds: dict[str, type] = dict.fromkeys(names, str) | {"token_expires": datetime, "as_of": datetime}
    kinds |= {"records": int, "lists": int}
    rows, _ = _rows(services, query)
    return Sheet(title="locations", kinds=kinds, rows=([getattr(one, name) for name in names] for one in rows))


def _rows(services: "Services", query: Query) -> tuple[list[LocationRow], Mapping[str, int]]:
    text, state = query.text("q").lower(), query.text("state")
    views = [one for one in look(services).locations if text in _said(one)]
    rows = sorted(map(_row, views), key=_place)
    states = Counter(one.state for one in rows)
    return [one for one in rows if not state or one.state == state], dict(states.most_common())


def _place(one: LocationRow) -> tuple[int, str, str]:
    """Return where a location stands among all: the worst first, then by name."""
    return -int(Alarm[one.alarm.upper()]), one.location, one.location_uid


def _said(one: LocationView) -> str:
    location = one.location
    return f"{location.name} {location.uid} {location.apple_name} {location.organisation}".lower()


def _row(one: LocationView) -> LocationRow:
    standings = [one.token, *(row.standing for row in one.streams)]
    worst = max(standings, key=lambda standing: (standing.alarm, bool(standing.words)))
    moments = [row.stream.seen_at for row in one.streams]
    is_new = any(moment is None for moment in moments)
    in_step = "new" if is_new else "in step"
    return LocationRow(
        location=one.location.name,
        location_uid=one.location.uid,
        apple_name=one.location.apple_name,
        country=one.location.country,
        state=worst.state if worst.words else in_step,
        alarm=worst.alarm.name.lower(),
        words=worst.words,
        token_expires=one.location.token_expires,
        as_of=None if is_new else min((moment for moment in moments if moment is not None), default=None),
        records=sum(row.stream.records for row in one.streams),
        lists=len(one.streams),
    )


KIND = Kind(path="/locations", template="locations.html", read=read, read_all=read_all)
