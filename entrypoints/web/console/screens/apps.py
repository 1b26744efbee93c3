"""Apps: what of each app is owned, used and free, in each place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from storage.mirror.days import AssetDay, AssetKey
from storage.reports import Choice, Paged, Search, columns_of, paged_by
from storage.views import VIEWS

from ....sheets import Sheet
from ..memo import Memo
from ..query import Query, write_position
from ..screen import ROWS, SECONDS, Kind, ListPages, Screen, cut

if TYPE_CHECKING:
    from tasks.services import Services

_VIEW = VIEWS["licences"]

#: The ways to put them in order.
SORTS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "location"),
    "free": ("available", "name"),
    "used": ("-used_percent", "name"),
    "owned": ("-total", "name"),
    "place": ("location", "name"),
}

#: For so many days their use is shown as a line.
DAYS = timedelta(days=30)

#: Counted again when the mirror changes.
_LEFT = Memo[dict[AssetKey, int]]()

_SEARCHED = ("name", "adam_id", "bundle_id", "publisher")


@dataclass(frozen=True, kw_only=True)
class AppRow:
    """An app in one place."""

    adam_id: str
    name: str
    publisher: str | None
    pricing: str
    location: str
    location_uid: str
    #: None where Apple gives no number.
    total: int | None
    assigned: int | None
    available: int | None
    used_percent: float | None
    as_of: datetime | None
    #: In how many days none is left, at the present pace; None where that is not in sight.
    days_left: int | None
    has_icon: bool
    #: How many were assigned at the end of each of the last days, the oldest first.
    used: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class AppsShown:
    """What the screen shows."""

    as_of: datetime
    rows: Sequence[AppRow]
    pages: ListPages
    sort: str
    sorts: Sequence[str]
    text: str
    locations: Sequence[str]


def read(services: "Services", query: Query) -> Screen:
    """Read a page of apps."""
    sort = query.one_of("sort", list(SORTS)) or "name"
    choice = _choice(services, query, sort, Paged(after=query.position()), ROWS + 1)
    names = _VIEW.table.c.keys()
    found = [dict(zip(names, row, strict=True)) for row in services.store.reports.rows(_VIEW, choice, SECONDS)]
    order = [name.removeprefix("-") for name in paged_by(_VIEW, choice.sort)]
    shown, pages = cut(found, lambda row: write_position([row[name] for name in order]), query)
    facts = AppsShown(
        as_of=services.store.now(),
        rows=_rows(services, shown),
        pages=pages,
        sort=sort,
        sorts=list(SORTS),
        text=query.text("q"),
        locations=query.texts("location"),
    )
    return Screen(title="Apps", facts=facts)


def read_all(services: "Services", query: Query) -> Sheet:
    """Read all of them."""
    choice = _choice(services, query, query.one_of("sort", list(SORTS)) or "name", None, None)
    kinds = {name: _VIEW.kinds[name] for name in columns_of(_VIEW, choice)}
    return Sheet(title=_VIEW.name, kinds=kinds, rows=services.store.reports.rows(_VIEW, choice))


def _choice(services: "Services", query: Query, sort: str, page: Paged | None, limit: int | None) -> Choice:
    places = [services.store.locations.named(name).name for name in query.texts("location")]
    search = Search(text=query.text("q"), columns=_SEARCHED)
    return Choice(locations=places, search=search, sort=SORTS[sort], page=page, limit=limit)


def _rows(services: "Services", found: Sequence[Mapping[str, Any]]) -> list[AppRow]:
    keys = [(one["location_uid"], one["adam_id"], one["pricing"]) for one in found]
    today = services.store.now().date()
    lines = services.store.asset_days.lines(keys, today - DAYS)
    left = _days_left(services)
    icons = services.store.listings.with_icons({one["adam_id"] for one in found})
    names = AppRow.__dataclass_fields__
    return [
        AppRow(
            **{name: value for name, value in one.items() if name in names and name != "used_percent"},
            used_percent=None if one["used_percent"] is None else float(one["used_percent"]),
            days_left=left.get(key),
            has_icon=key[1] in icons,
            used=used_by_day(lines.get(key, ()), today, one["assigned"] or 0),
        )
        for one, key in zip(found, keys, strict=True)
    ]


def _days_left(services: "Services") -> dict[AssetKey, int]:
    """Return in how many days none is left of those that run out, counted once for each state of the mirror."""
    store = services.store
    return _LEFT.get((id(store.database), store.feed.extent().last, store.now().date()), lambda: _count_days(services))


def _count_days(services: "Services") -> dict[AssetKey, int]:
    columns = ("location_uid", "adam_id", "pricing", "days_left")
    rows = services.store.reports.rows(VIEWS["running_out"], Choice(columns=columns), SECONDS)
    return {(uid, adam_id, pricing): int(days) for uid, adam_id, pricing, days in rows if days is not None}


def used_by_day(days: Sequence[AssetDay], today: date, now: int) -> list[int]:
    """Return how many were assigned at the end of each day, and now; before the first that is known as many as then."""
    if not days:
        return [now, now]
    known = {one.day: one.assigned for one in days}
    value, line = days[0].assigned, []
    for number in range(DAYS.days, 0, -1):
        value = known.get(today - timedelta(days=number), value)
        line.append(value)
    return [*line, now]


KIND = Kind(path="/apps", template="apps.html", read=read, read_all=read_all)
