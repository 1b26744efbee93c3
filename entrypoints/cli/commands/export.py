"""`pageturner export`: the mirror's records, as Apple names things."""

import csv
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from ...exits import Exit, Failure
from ..context import with_store
from ..output import write_to
from ..resources import check_resources
from ..sheets import defused

if TYPE_CHECKING:
    from storage.locations import Location
    from tasks.services import Services

#: The column for fields that Apple added.
_EXTRA = "extra"


class Format(StrEnum):
    """How records are written."""

    NDJSON = "ndjson"
    CSV = "csv"


def export(
    resource: Annotated[str, typer.Argument(help="The resource.")],
    location: Annotated[
        str | None, typer.Option(help="The location, watched or not; required if there are several.")
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="One JSON object per line, or CSV; the default follows the name of --output."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; the default, and -, is standard output.")
    ] = None,
    *,
    for_spreadsheets: Annotated[
        bool,
        typer.Option("--for-spreadsheets", help="Put ' before each value that a spreadsheet would run as a formula."),
    ] = False,
) -> None:
    """Write a resource's records under Apple's own field names.

    Example: pageturner export assignments --format csv --output assignments.csv
    """
    check_resources([resource])
    with with_store() as services:
        records = services.store.exporter.records(resource, _choose(services, location).id)
        if _format(format_, output) is Format.CSV:
            write_to(output, lambda file: _write_csv(file, resource, records, is_defused=for_spreadsheets))
        else:
            write_to(output, lambda file: _write_lines(file, records))


def _format(given: Format | None, output: Path | None) -> Format:
    """Return the format: the one that is asked for, or that of the file's ending."""
    if given is not None:
        return given
    return Format.CSV if output is not None and output.suffix.lower() == ".csv" else Format.NDJSON


def _choose(services: "Services", name: str | None) -> "Location":
    if name is not None:
        return services.store.locations.named(name)
    known = services.store.locations.watched()
    if len(known) != 1:
        names = ", ".join(one.name for one in known) or "none yet"
        raise Failure(f"Say which location, with --location: {names}.", Exit.USAGE)
    return known[0]


def _write_lines(file: TextIO, records: Iterable[str]) -> None:
    file.writelines(record + "\n" for record in records)


def _write_csv(file: TextIO, resource: str, records: Iterable[str], *, is_defused: bool) -> None:
    from storage.mirror.tables import MIRRORS

    names = list(MIRRORS[resource].fields.values())
    writer = csv.DictWriter(file, [*names, _EXTRA], lineterminator="\n")
    writer.writeheader()
    rows = _rows(records, set(names))
    writer.writerows(map(_defused, rows) if is_defused else rows)


def _rows(records: Iterable[str], names: set[str]) -> Iterator[dict[str, Any]]:
    for text in records:
        record = json.loads(text)
        row = {name: _cell(value) for name, value in record.items() if name in names}
        rest = {name: value for name, value in record.items() if name not in names}
        yield row | ({_EXTRA: json.dumps(rest)} if rest else {})


def _defused(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose values no spreadsheet runs as formulas."""
    return {name: defused(str(value)) for name, value in row.items()}


def _cell(value: Any) -> Any:
    return value if isinstance(value, str) else json.dumps(value)
