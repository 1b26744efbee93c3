"""`pageturner compare`: what Apple says beside what the file of a device management says."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...exits import Exit, Failure
from ...sheets import Sheet, SheetFormat, format_of
from ...terminal import say
from ..context import with_store
from ..inventories import Inventory, read_inventory, read_mapping
from ..options import FormatOption, LimitOption, LocationOption, OutputOption, SpreadsheetsOption
from ..output import give
from ..tables import print_table
from ..unread import refuse_unread

if TYPE_CHECKING:
    from orchestration.decisions.comparison import Apps, Discrepancy, Held
    from tasks.services import Services

#: The fields that name an app, and those that count its licences.
_APP = ("adam_id", "bundle_id", "name")
_COUNTS = ("total", "assigned", "available")

#: The fields that name who holds an app, and what they are of.
_HOLDERS = {"serial_number": "device", "client_user_id": "user"}

File = Annotated[Path, typer.Option("--file", metavar="FILE", help="CSV of devices, people or apps, with any header.")]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=HEADER", help="Where a field stands in the file; can be repeated."),
]


def compare(  # noqa: PLR0913 - each argument is an option of the command
    file: File,
    map_: Map = None,
    location: LocationOption = None,
    limit: LimitOption = None,
    format_: FormatOption = None,
    output: OutputOption = None,
    *,
    for_spreadsheets: SpreadsheetsOption = False,
) -> None:
    """List in what your file and Apple differ: who holds which app, which devices hold any, or the counts of each app.

    What is compared follows from the columns of the file. Example: pageturner compare --file mdm.csv
    """
    inventory = read_inventory(file, [*_HOLDERS, *_APP, *_COUNTS], read_mapping(map_ or []))
    chosen = format_of(format_, output)
    with with_store() as services:
        names = [services.store.locations.named(one).name for one in location or []]
        refuse_unread(services, names, ["assets", "assignments"])
        apps = _apps(services, names)
        ages = [row[0] for row in services.store.reports.read("locations_health", ["as_of"], names)]
        found = list(_differences(services, names, inventory, apps))
    as_of = min((one for one in ages if one is not None), default=None)
    rows = [[*(_plain(getattr(one, name)) for name in _KINDS), as_of] for one in found]
    if chosen is SheetFormat.TABLE:
        print_table(list(_KINDS), rows, is_chosen=False, limit=limit, nothing="Your file and Apple agree.")
    else:
        kinds = {**_KINDS, "as_of": type(as_of) if as_of is not None else str}
        give(Sheet(title="compare", kinds=kinds, rows=rows[:limit]), chosen, output, is_defused=for_spreadsheets)


#: The columns, in which a person looks for the first ones first.
_KINDS: Mapping[str, type] = {
    "difference": str,
    "name": str,
    "serial_number": str,
    "client_user_id": str,
    "at_apple": int,
    "in_file": int,
    "counted": str,
    "adam_id": str,
}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def _differences(
    services: "Services", locations: list[str], inventory: Inventory, apps: "Apps"
) -> "Iterable[Discrepancy]":
    from orchestration.decisions.comparison import compare_counts, compare_holders

    has_app = any(field in inventory.headers for field in _APP)
    _say_ambiguous(inventory, apps)
    for field, kind in _HOLDERS.items():
        if field in inventory.headers or not inventory.headers:
            theirs = list(_held_in_file(inventory, field, kind, apps, has_app=has_app))
            ours = list(_held_at_apple(services, locations, field, kind, has_app=has_app))
            _refuse_strangers(inventory, field, {one[1] for one in ours}, {one[1] for one in theirs})
            return compare_holders(ours, theirs, apps)
    if not has_app:
        words = f"{inventory.path} names neither apps ({', '.join(_APP)}) nor holders ({', '.join(_HOLDERS)})."
        raise Failure(f"{words} --map FIELD=HEADER says where they stand.", Exit.USAGE)
    return compare_counts(apps, _counts(inventory, apps))


def _say_ambiguous(inventory: Inventory, apps: "Apps") -> None:
    words = {word for row in inventory.rows if (word := _word(row)) and apps.is_ambiguous(word)}
    if words:
        say(f"Several apps are called {', '.join(sorted(words)[:5])}: give the file a column adam_id.")


def _word(row: Mapping[str, str]) -> str:
    """Return by what a row calls its app."""
    return next((row[field] for field in _APP if row.get(field)), "")


def _held_in_file(inventory: Inventory, field: str, kind: str, apps: "Apps", *, has_app: bool) -> "Iterator[Held]":
    for row in inventory.rows:
        holder = row.get(field, "")
        word = _word(row) if has_app else ""
        if holder and (word or not has_app):
            yield kind, _normal(field, holder), (apps.called(word) or word) if has_app else ""


def _held_at_apple(
    services: "Services", locations: list[str], field: str, kind: str, *, has_app: bool
) -> "Iterator[Held]":
    for holder, adam_id in services.store.reports.read("holders", [field, "adam_id"], locations):
        if holder:
            yield kind, _normal(field, holder), adam_id if has_app else ""


def _normal(field: str, holder: str) -> str:
    return holder.upper() if field == "serial_number" else holder


def _refuse_strangers(inventory: Inventory, field: str, ours: set[str], theirs: set[str]) -> None:
    if ours and not ours & theirs:
        header = inventory.headers.get(field, "its only column")
        words = f"{inventory.path}: none of its {len(theirs):,} entries of {field} is at Apple."
        raise Failure(f"{words} Is '{header}' the right column? --map {field}=HEADER names another.", Exit.USAGE)


def _counts(inventory: Inventory, apps: "Apps") -> dict[str, dict[str, int]]:
    """Return the counts of the file by app; a file without counts says which apps there are, and nothing else."""
    kinds = [field for field in _COUNTS if field in inventory.headers]
    found: dict[str, dict[str, int]] = {}
    for number, row in enumerate(inventory.rows, start=2):
        word = _word(row)
        if not word:
            continue
        mine = found.setdefault(word, dict.fromkeys(kinds, 0))
        for kind in kinds:
            mine[kind] += _count(inventory, number, kind, row[kind])
        if not kinds:
            app = apps.by_id.get(apps.called(word) or "")
            mine["total"] = 1 if app is None else app.total
    return found


def _count(inventory: Inventory, number: int, kind: str, text: str) -> int:
    digits = text.replace(",", "").replace("\u202f", "").replace("\xa0", "").replace(" ", "").removesuffix(".0")
    if digits and not digits.isdecimal():
        words = f"{inventory.path}, row {number}: '{text}' is no count of {kind}"
        raise Failure(f"{words} (column '{inventory.headers[kind]}').", Exit.USAGE)
    return int(digits or 0)


def _apps(services: "Services", locations: list[str]) -> "Apps":
    """Return the apps of these locations, with the sums of their licences."""
    from orchestration.decisions.comparison import App, Apps

    fields = ["adam_id", "name", "bundle_id", *_COUNTS]
    sums: dict[str, App] = {}
    for adam_id, name, bundle_id, *counts in services.store.reports.read("licences", fields, locations):
        numbers = {kind: count or 0 for kind, count in zip(_COUNTS, counts, strict=True)}
        if adam_id in sums:
            numbers = {kind: count + getattr(sums[adam_id], kind) for kind, count in numbers.items()}
        sums[adam_id] = App(adam_id=adam_id, name=name, bundle_id=bundle_id, **numbers)
    return Apps(sums.values())
