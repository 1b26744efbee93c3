"""`pageturner orphans`: licences that are held by devices and people whom nobody knows any more."""

import json
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...exits import Exit, Failure
from ...sheets import Sheet, SheetFormat, format_of
from ...terminal import say
from ..context import with_store
from ..inventories import Inventory, read_inventory, read_mapping
from ..options import FormatOption, LimitOption, LocationOption, OutputOption, SpreadsheetsOption
from ..output import give, write_to
from ..tables import print_table
from ..unread import refuse_unread

if TYPE_CHECKING:
    from orchestration.decisions.orphans import Holding, Orphan
    from storage.reports import Reports
    from tasks.services import Services

Known = Annotated[Path | None, typer.Option(metavar="FILE", help="CSV of the devices that you know, by serial number.")]
People = Annotated[
    Path | None, typer.Option(metavar="FILE", help="CSV of the people that you know, by address or clientUserId.")
]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=HEADER", help="Where a field of a file stands; can be repeated."),
]
Batches = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the requests that would take these licences back, as JSON; none is sent."),
]


def orphans(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    known: Known = None,
    people: People = None,
    map_: Map = None,
    location: LocationOption = None,
    limit: LimitOption = None,
    format_: FormatOption = None,
    output: OutputOption = None,
    batches: Batches = None,
    *,
    for_spreadsheets: SpreadsheetsOption = False,
) -> None:
    """List the licences of devices and people that your own files do not know, and of users who were retired.

    Example: pageturner orphans --known serials.csv --people staff.csv --batches batches.json
    """
    if known is None and people is None:
        words = "Say whom you know: --known serials.csv, --people staff.csv, or both. Retired users alone are in"
        raise Failure(f"{words} `pageturner report leavers`.", Exit.USAGE)
    from orchestration.decisions.orphans import batches as batched

    mapping, chosen = read_mapping(map_ or []), format_of(format_, output)
    devices = None if known is None else read_inventory(known, ["serial_number"], mapping)
    staff = None if people is None else read_inventory(people, ["client_user_id", "email"], mapping)
    with with_store() as services:
        names = [services.store.locations.named(one).name for one in location or []]
        refuse_unread(services, names, ["assets", "assignments", "users"])
        found = list(_find(services, names, devices, staff))
    rows = [_row(one) for one in found]
    if chosen is SheetFormat.TABLE:
        shown = [_shown(row) for row in rows]
        print_table(_SHOWN, shown, is_chosen=False, limit=limit, nothing="Everybody who holds a licence is known.")
    else:
        give(Sheet(title="orphans", kinds=_kinds(), rows=rows[:limit]), chosen, output, is_defused=for_spreadsheets)
    if batches is not None:
        made = list(batched(found))
        write_to(batches, partial(json.dump, made, indent=1, ensure_ascii=False))
        say(f"{len(made)} requests are in {batches}; nothing was sent.")


def _find(
    services: "Services", locations: list[str], devices: Inventory | None, staff: Inventory | None
) -> "Iterator[Orphan]":
    """Find the orphans; refuse files that know nobody: another column was meant."""
    from orchestration.decisions.orphans import GONE, Roster, orphans

    reports = services.store.reports
    holdings = list(_holdings(reports, locations))
    roster = Roster(
        serial_numbers=_known(devices, "serial_number", str.upper),
        user_ids=_known(staff, "client_user_id", str.lower),
        emails=_known(staff, "email", str.lower),
    )
    held = {
        "serial_number": {one.serial_number.upper() for one in holdings if one.serial_number},
        "client_user_id": {one.client_user_id.lower() for one in holdings if one.client_user_id},
        "email": {one.email.lower() for one in holdings if one.email},
    }
    known = {"serial_number": roster.serial_numbers, "client_user_id": roster.user_ids, "email": roster.emails}
    for inventory in filter(None, (devices, staff)):
        for field in inventory.headers or ["serial_number"]:
            _refuse_strangers(inventory, field, known[field] or (), held[field])
    leavers = reports.read("leavers", ["location_uid", "client_user_id", "reason"], locations)
    gone = {(uid, user): GONE[reason] for uid, user, reason in leavers}
    if staff is None:  # a file of devices says nothing of people: those whom Apple retired are gone all the same
        gone = {user: why for user, why in gone.items() if why is GONE["retired"]}
    assets = reports.read("licences", ["location_uid", "adam_id", "pricing", "revocable"], locations)
    return orphans(
        holdings,
        roster,
        retired=gone,
        revocable={(uid, adam_id, pricing): may_be for uid, adam_id, pricing, may_be in assets},
    )


def _known(inventory: Inventory | None, field: str, normal: Callable[[str], str]) -> set[str] | None:
    """Return what a file has of a field; None if it has no such column."""
    values = set() if inventory is None else inventory.values(field)
    return set(map(normal, values)) or None


def _refuse_strangers(inventory: Inventory, field: str, known: Collection[str], held: set[str]) -> None:
    """Refuse a column of which nobody holds anything, as if all holders were gone: another one was meant."""
    if not known or not held or not held.isdisjoint(known):
        return
    where = f"'{inventory.headers[field]}'" if inventory.headers else "its only column"
    words = f"{inventory.path}: none of the {len(known):,} entries of {where} holds a licence at Apple as its {field}."
    raise Failure(f"{words} Is that the right column? --map {field}=HEADER names another.", Exit.USAGE)


def _holdings(reports: "Reports", locations: list[str]) -> "Iterator[Holding]":
    from orchestration.decisions.orphans import Holding

    rows = reports.read("holders", list(_OF_HOLDING), locations)
    return (Holding(**dict(zip(_OF_HOLDING.values(), row, strict=True))) for row in rows)


#: What `holders` says of a licence, and what the decision calls it.
_OF_HOLDING = {
    "location": "place",
    "location_uid": "uid",
    **{name: name for name in ("adam_id", "name", "pricing", "serial_number", "client_user_id", "email", "as_of")},
}

#: What a person looks at first.
_SHOWN = ("name", "location", "serial_number", "client_user_id", "reason", "revocable", "email", "adam_id")


def _kinds() -> dict[str, type]:
    """Return the columns, each with its type: those of `holders`, and why."""
    from storage.views import VIEWS

    kinds = {name: VIEWS["holders"].kinds[name] for name in _OF_HOLDING}
    as_of = kinds.pop("as_of")
    return {**kinds, "reason": str, "revocable": bool, "as_of": as_of}


def _row(one: "Orphan") -> list[Any]:
    values = {name: getattr(one.holding, field) for name, field in _OF_HOLDING.items()}
    values |= {"reason": str(one.reason), "revocable": one.revocable}
    return [values[name] for name in _kinds()]


def _shown(row: list[Any]) -> list[Any]:
    values = dict(zip(_kinds(), row, strict=True))
    return [values[name] for name in (*_SHOWN, "as_of")]
