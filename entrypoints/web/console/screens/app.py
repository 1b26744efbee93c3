"""One app: how many there are and were, who holds it, and what those hold who are gone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from orchestration.decisions.orphans import GONE, Holding, Orphan, batches
from storage.mirror.days import DAYS_KEPT, AssetDay
from storage.reports import Choice, Paged, Search, columns_of, paged_by
from storage.views import VIEWS

from ....sheets import Sheet
from ..query import Query, write_position
from ..screen import ROWS, SECONDS, Kind, ListPages, NotFound, Screen, cut

if TYPE_CHECKING:
    from tasks.services import Services

#: Of more licences of gone users, the batches are made by the command line.
MOST_GONE = 5_000

#: Of an app in more places than this, not all are shown.
MOST_PLACES = 5_000

_HOLDERS, _LEAVERS = VIEWS["holders"], VIEWS["leavers"]
_SEARCHED = ("serial_number", "client_user_id", "email")


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Licences that came."""

    day: date
    location: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Day:
    """The licences of all places at the end of a day."""

    day: date
    total: int
    assigned: int


@dataclass(frozen=True, kw_only=True)
class AppShown:
    """What the screen shows."""

    as_of: datetime
    adam_id: str
    #: What the store says of it; empty where it says nothing.
    listing: Mapping[str, Any]
    name: str
    places: Sequence[Mapping[str, Any]]
    days: Sequence[Day]
    gains: Sequence[Gain]
    holders: Sequence[Mapping[str, Any]]
    pages: ListPages
    text: str
    #: The licences of users who are gone, by the place, and the requests that would take them back.
    gone: int
    batches: Sequence[Mapping[str, str]]


def read(services: "Services", query: Query) -> Screen:
    """Read what there is of an app."""
    adam_id = query.place("adam_id")
    reports, now = services.store.reports, services.store.now()
    places = _named(services, "licences", {"adam_id": [adam_id]})
    listing = next(iter(_named(services, "apps", {"adam_id": [adam_id]})), {})
    if not places and not listing:
        raise NotFound(f"No location has an app or a book with the number {adam_id}.")
    choice = _holders(query, Paged(after=query.position()), ROWS + 1)
    names = columns_of(_HOLDERS, choice)
    found = [dict(zip(names, row, strict=True)) for row in reports.rows(_HOLDERS, choice, SECONDS)]
    order = [name.removeprefix("-") for name in paged_by(_HOLDERS, choice.sort)]
    shown, pages = cut(found, lambda row: write_position([row[name] for name in order]), query)
    keys = [(one["location_uid"], adam_id, one["pricing"]) for one in places]
    lines = services.store.asset_days.lines(keys, now.date() - DAYS_KEPT)
    gone = _gone(services, adam_id)
    facts = AppShown(
        as_of=now,
        adam_id=adam_id,
        listing=listing,
        name=next((one["name"] for one in places), listing.get("name") or adam_id),
        places=places,
        days=_days(list(lines.values()), now.date()),
        gains=_gains({(uid, pricing): days for (uid, _, pricing), days in lines.items()}, places),
        holders=shown,
        pages=pages,
        text=query.text("q"),
        gone=len(gone),
        batches=[{"location": one["location"], "body": json.dumps(one["body"])} for one in batches(gone)],
    )
    return Screen(title=facts.name, facts=facts)


def read_all(services: "Services", query: Query) -> Sheet:
    """Read all who hold it."""
    choice = _holders(query, None, None)
    kinds = {name: _HOLDERS.kinds[name] for name in columns_of(_HOLDERS, choice)}
    return Sheet(title="holders", kinds=kinds, rows=services.store.reports.rows(_HOLDERS, choice))


def _holders(query: Query, page: Paged | None, limit: int | None) -> Choice:
    return Choice(
        among={"adam_id": [query.place("adam_id")]},
        search=Search(text=query.text("q"), columns=_SEARCHED),
        sort=("location", "serial_number", "client_user_id"),
        page=page,
        limit=limit,
    )


def _named(services: "Services", name: str, among: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return the rows of a view by the names of its columns."""
    view = VIEWS[name]
    rows = services.store.reports.rows(view, Choice(among=among, limit=MOST_PLACES), SECONDS)
    return [dict(zip(view.columns, row, strict=True)) for row in rows]


def _gone(services: "Services", adam_id: str) -> list[Orphan]:
    choice = Choice(among={"adam_id": [adam_id]}, limit=MOST_GONE)
    rows = services.store.reports.rows(_LEAVERS, choice, SECONDS)
    return [_orphan(dict(zip(_LEAVERS.columns, row, strict=True))) for row in rows]


def _orphan(row: Mapping[str, Any]) -> Orphan:
    holding = Holding(
        uid=row["location_uid"],
        place=row["location"],
        adam_id=row["adam_id"],
        name=row["name"],
        pricing=row["pricing"],
        serial_number=None,
        client_user_id=row["client_user_id"],
        email=row["email"],
        as_of=row["as_of"],
    )
    return Orphan(holding=holding, reason=GONE[row["reason"]], revocable=row["revocable"])


def _days(lines: Sequence[Sequence[AssetDay]], today: date) -> list[Day]:
    """Add up the days of all places, from the first that is known of any on."""
    if not lines:
        return []
    first = max(min(days[0].day for days in lines), today - DAYS_KEPT)
    whole = [first + timedelta(days=number) for number in range((today - first).days + 1)]
    each = [list(_carried(days, whole)) for days in lines]
    return [
        Day(day=day, total=sum(one[place].total for one in each), assigned=sum(one[place].assigned for one in each))
        for place, day in enumerate(whole)
    ]


def _carried(days: Sequence[AssetDay], whole: Sequence[date]) -> Iterator[AssetDay]:
    """Yield how it was on each day: as on the last one on which it changed; nothing before the first."""
    known = {one.day: one for one in days}
    last = AssetDay(day=whole[0], total=0, assigned=0, available=0)
    if days[0].day < whole[0]:
        last = days[0]
    for day in whole:
        last = known.get(day, last)
        yield last


def _gains(lines: Mapping[tuple[str, str], Sequence[AssetDay]], places: Sequence[Mapping[str, Any]]) -> list[Gain]:
    """Return when licences came, the newest first; what was there at first is no news."""
    names = {(one["location_uid"], one["pricing"]): one["location"] for one in places}
    found = [
        Gain(day=after.day, location=names[key], count=after.total - before.total)
        for key, days in lines.items()
        for before, after in pairwise(days)
        if after.total > before.total
    ]
    return sorted(found, key=lambda one: one.day, reverse=True)


KIND = Kind(path="/apps/{adam_id}", template="app.html", read=read, read_all=read_all)
