"""Search: one box for a serial number, an address, a number or a name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from storage.reports import Choice, Search
from storage.views import VIEWS

from ....sheets import Sheet
from ..query import Query
from ..screen import ROWS, SECONDS, Kind, Screen

if TYPE_CHECKING:
    from tasks.services import Services

_SEARCHED = {
    "holders": ("serial_number", "client_user_id", "email"),
    "licences": ("name", "adam_id", "bundle_id", "publisher"),
    "locations_health": ("location", "location_uid", "apple_name", "organisation"),
}

#: How many of one sort are shown.
_MOST = 20


@dataclass(frozen=True, kw_only=True)
class HolderFound:
    """A device or a user, and how many licences it has."""

    kind: str
    #: The serial number, or the clientUserId.
    name: str
    email: str | None
    location: str
    licences: int


@dataclass(frozen=True, kw_only=True)
class SearchShown:
    """What the screen shows."""

    as_of: datetime
    text: str
    holders: Sequence[HolderFound]
    #: Whether there are more than are shown.
    has_more_holders: bool
    apps: Sequence[Mapping[str, Any]]
    locations: Sequence[Mapping[str, Any]]


def read(services: "Services", query: Query) -> Screen:
    """Read what a text is found in."""
    text = query.text("q")
    holders = _holders(_rows(services, "holders", text, ROWS * 10)) if text else []
    facts = SearchShown(
        as_of=services.store.now(),
        text=text,
        holders=holders[:ROWS],
        has_more_holders=len(holders) > ROWS,
        apps=_apps(_rows(services, "licences", text, ROWS * 10)) if text else [],
        locations=_rows(services, "locations_health", text, _MOST) if text else [],
    )
    kinds = {name: VIEWS["holders"].kinds[name] for name in VIEWS["holders"].columns}
    return Screen(title="Devices and people", facts=facts, sheet=Sheet(title="holders", kinds=kinds, rows=()))


def read_all(services: "Services", query: Query) -> Sheet:
    """Read every licence that is held by what a text is found in."""
    view = VIEWS["holders"]
    search = Search(text=query.text("q"), columns=_SEARCHED["holders"])
    return Sheet(title="holders", kinds=view.kinds, rows=services.store.reports.rows(view, Choice(search=search)))


def _rows(services: "Services", name: str, text: str, limit: int) -> list[dict[str, Any]]:
    view = VIEWS[name]
    choice = Choice(search=Search(text=text, columns=_SEARCHED[name]), limit=limit)
    rows = services.store.reports.rows(view, choice, SECONDS)
    return [dict(zip(view.columns, row, strict=True)) for row in rows]


def _holders(rows: Sequence[Mapping[str, Any]]) -> list[HolderFound]:
    found: dict[tuple[str, str, str], tuple[Mapping[str, Any], int]] = {}
    for row in rows:
        name = row["serial_number"] or row["client_user_id"] or ""
        key = row["holder_kind"], name, row["location"]
        first, count = found.get(key, (row, 0))
        found[key] = first, count + 1
    return [
        HolderFound(kind=kind, name=name, email=row["email"], location=place, licences=count)
        for (kind, name, place), (row, count) in sorted(found.items(), key=lambda one: one[0])
    ]


def _apps(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each app once, with the sums of its places."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        one = found.setdefault(
            row["adam_id"], {"adam_id": row["adam_id"], "name": row["name"], "total": 0, "assigned": 0, "locations": 0}
        )
        one["total"] += row["total"] or 0
        one["assigned"] += row["assigned"] or 0
        one["locations"] += 1
    return sorted(found.values(), key=lambda one: one["name"])[:_MOST]


KIND = Kind(path="/holders", template="search.html", read=read, read_all=read_all)
