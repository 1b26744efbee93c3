"""A device or a user: what it holds, since when, and what it held before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from storage.errors import DatabaseAway
from storage.mirror.feed import Change, Sieve
from storage.reports import Choice
from storage.views import VIEWS

from ....sentences import sentences
from ....sheets import Sheet
from ..query import Query
from ..screen import ROWS, SECONDS, Kind, NotFound, Screen

if TYPE_CHECKING:
    from tasks.services import Services

_VIEW = VIEWS["holders"]
_COLUMNS = {"device": "serial_number", "user": "client_user_id"}


@dataclass(frozen=True, kw_only=True)
class Held:
    """A licence that is held."""

    adam_id: str
    name: str
    pricing: str
    location: str
    location_uid: str
    #: Since when it was seen; None if that was before the first change that is kept.
    since: datetime | None
    as_of: datetime | None


@dataclass(frozen=True, kw_only=True)
class HistoryLine:
    """Something that happened."""

    seq: int
    at: datetime
    location: str
    words: str


@dataclass(frozen=True, kw_only=True)
class HolderShown:
    """What the screen shows."""

    as_of: datetime
    kind: str
    name: str
    emails: Sequence[str]
    statuses: Sequence[str]
    held: Sequence[Held]
    history: Sequence[HistoryLine]
    #: Whether the history could not be looked through in time.
    is_cut_short: bool
    #: Whether there may be more of it, before what is shown.
    has_more: bool


def read(services: "Services", query: Query) -> Screen:
    """Read what a device or a user holds, and what happened."""
    kind, name = query.one_of("kind", list(_COLUMNS)) or "device", query.text("name")
    rows = _rows(services, kind, name)
    try:
        found = services.store.feed.latest(Sieve(holder=name), None, ROWS)
        changes, is_cut_short = [one for one in found if _is_about(one, kind, name)], False
    except DatabaseAway:
        changes, is_cut_short = [], True
    if not rows and not changes:
        raise NotFound(f"No licence is held by {kind} {name}, and none was.")
    begun = _begun(changes)
    held = [
        Held(
            **{column: row[column] for column in ("adam_id", "name", "pricing", "location", "location_uid", "as_of")},
            since=begun.get((row["location_uid"], row["adam_id"], row["pricing"])),
        )
        for row in rows
    ]
    told = sentences(reversed(changes), services.store.listings)
    lines = [
        HistoryLine(seq=group.seq, at=group.first.at, location=group.first.name, words=words) for group, words in told
    ]
    facts = HolderShown(
        as_of=services.store.now(),
        kind=kind,
        name=name,
        emails=sorted({row["email"] for row in rows if row["email"]}),
        statuses=sorted({row["user_status"] for row in rows if row["user_status"]}),
        held=held,
        history=lines[::-1],
        is_cut_short=is_cut_short,
        has_more=is_cut_short or len(changes) >= ROWS,
    )
    kinds = {"location": str, "adam_id": str, "name": str, "pricing": str, "since": datetime, "as_of": datetime}
    rows_held = [(one.location, one.adam_id, one.name, one.pricing, one.since, one.as_of) for one in held]
    return Screen(title=name, facts=facts, sheet=Sheet(title="held", kinds=kinds, rows=rows_held))


def _rows(services: "Services", kind: str, name: str) -> list[dict[str, Any]]:
    choice = Choice(among={_COLUMNS[kind]: [name]}, limit=ROWS * 10)
    rows = services.store.reports.rows(_VIEW, choice, SECONDS)
    found = [dict(zip(_VIEW.columns, row, strict=True)) for row in rows]
    return [row for row in found if row["holder_kind"] == kind]


def _is_about(change: Change, kind: str, name: str) -> bool:
    """Return whether a change is about a device, or about a user, of this name."""
    record = change.after or change.before or {}
    fields = ("serialNumber",) if kind == "device" else ("clientUserId", "clientUserIdStr")
    return any(record.get(field) == name for field in fields)


def _begun(changes: Sequence[Change]) -> Mapping[tuple[str, str, str], datetime]:
    """Return since when each licence is held: since it was last given, as far as that is known."""
    found: dict[tuple[str, str, str], datetime] = {}
    for one in changes:
        if one.resource == "assignments" and one.op == "insert":
            key = one.uid, str(one.key.get("adamId", "")), str(one.key.get("pricingParam", ""))
            found.setdefault(key, one.at)
    return found


KIND = Kind(path="/holder", template="holder.html", read=read)
