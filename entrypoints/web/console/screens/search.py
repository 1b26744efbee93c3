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
    holders = _holders(services, text) if text else []
    facts = SearchShown(
        as_of=services.store.now(),
        text=text,
        holders=holders[:ROWS],
        has_more_holders=len(holders) > ROWS,
        apps=_apps(services, text) if text else [],
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


def _holders(services: "Services", text: str) -> list[HolderFound]:
    by = ("holder_kind", "serial_number", "client_user_id", "email", "location")
    choice = Choice(search=Search(text=text, columns=_SEARCHED["holders"]), limit=ROWS + 1)
    rows = services.store.reports.grouped(VIEWS["holders"], by, (), choice, SECONDS)
    return [
        HolderFound(kind=kind, name=serial or user or "", email=email, location=place, licences=count)
        for kind, serial, user, email, place, count in rows
    ]


def _apps(services: "Services", text: str) -> list[dict[str, Any]]:
    """Return each app once, with the sums of its places."""
    choice = Choice(search=Search(text=text, columns=_SEARCHED["licences"]), limit=_MOST)
    by, sums = ("name", "adam_id"), ("total", "assigned")
    rows = services.store.reports.grouped(VIEWS["licences"], by, sums, choice, SECONDS)
    return [
        {"adam_id": adam_id, "name": name, "locations": places, "total": int(total), "assigned": int(assigned)}
        for name, adam_id, places, total, assigned in rows
    ]


KIND = Kind(path="/holders", template="search.html", read=read, read_all=read_all)
