"""`pageturner export`: the mirror's records, as Apple names things."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from storage.locations import Location
from storage.mirrors import MIRRORS

from ..exits import Exit, Failure
from ..living import reading
from .locations import check_resources

if TYPE_CHECKING:
    from tasks.house import House

#: Where a table has a place for what Apple added since.
_EXTRA = "extra"


class Format(StrEnum):
    """How records are written."""

    NDJSON = "ndjson"
    CSV = "csv"


def export(
    resource: Annotated[str, typer.Argument(help="Which resource.")],
    location: Annotated[str | None, typer.Option(help="Which location; needed where there are several.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="A JSON object a line, or a table.")] = Format.NDJSON,
    output: Annotated[Path | None, typer.Option(help="A file to write; else standard output.")] = None,
) -> None:
    """Write a resource's records under Apple's own field names.

    Example: pageturner export assignments --format csv --output assignments.csv
    """
    check_resources([resource])
    with reading() as house:
        records = house.exporting.records(resource, _choose(house, location).id)
        write = _write_csv if format_ is Format.CSV else _write_lines
        if output is None:
            write(sys.stdout, resource, records)
            return
        # A file is there whole or not at all.
        part = output.with_name(output.name + ".part")
        with part.open("w", encoding="utf-8", newline="") as file:
            write(file, resource, records)
        part.replace(output)


def _choose(house: "House", name: str | None) -> Location:
    known = house.locations.watched(None if name is None else [name])
    if len(known) != 1:
        names = ", ".join(one.name for one in known) or "none yet"
        raise Failure(f"Say which location, with --location: {names}.", Exit.USAGE)
    return known[0]


def _write_lines(file: TextIO, _: str, records: Iterable[str]) -> None:
    file.writelines(record + "\n" for record in records)


def _write_csv(file: TextIO, resource: str, records: Iterable[str]) -> None:
    names = list(MIRRORS[resource].fields.values())
    writer = csv.DictWriter(file, [*names, _EXTRA], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(records, set(names)))


def _rows(records: Iterable[str], names: set[str]) -> Iterator[dict[str, Any]]:
    for text in records:
        record = json.loads(text)
        row = {name: _cell(value) for name, value in record.items() if name in names}
        rest = {name: value for name, value in record.items() if name not in names}
        yield row | ({_EXTRA: json.dumps(rest)} if rest else {})


def _cell(value: Any) -> Any:
    return value if isinstance(value, str) else json.dumps(value)
