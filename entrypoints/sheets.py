"""Sheets: rows with named columns, as they are written into files."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar

from .exits import Exit, Failure

#: A spreadsheet takes a text that begins with one of these as a formula.
_FORMULAS = tuple("=+-@\t\r")

#: It takes digits for a number, and shows 361285480 as 3.6E+08.
_LONGEST_NUMBER = 6

#: What Excel takes: rows below the header, signs in a cell, and signs in the name of a sheet.
_MOST_ROWS = 1_048_575
_LONGEST_CELL = 32_767
_LONGEST_TITLE = 31

#: The widths of columns.
_WIDE, _NARROW = 28, 14
_WIDE_COLUMNS = {"name", "location", "email", "publisher", "bundle_id", "error", "url", "icon_url"}

#: How many rows of Parquet are made at a time.
_ROWS_A_GROUP = 50_000

#: What tells a spreadsheet that a file is UTF-8.
_BOM = "\ufeff"


class SheetFormat(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    XLSX = "xlsx"
    PARQUET = "parquet"


#: By which ending a file says what it is.
_ENDINGS = {one.value: one for one in SheetFormat if one is not SheetFormat.TABLE} | {"jsonl": SheetFormat.NDJSON}

_Format = TypeVar("_Format", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Rows with named columns, each column of one type."""

    title: str
    kinds: Mapping[str, type]
    rows: Iterable[Sequence[Any]]

    @property
    def names(self) -> list[str]:
        """Name the columns."""
        return list(self.kinds)


def format_of(given: SheetFormat | None, output: Path | None) -> SheetFormat:
    """Return the format: the one that is asked for, that of the file's ending, or a table where there is no file."""
    if given is SheetFormat.TABLE and output is not None:
        endings = ", ".join(f".{one}" for one in SheetFormat if one is not SheetFormat.TABLE)
        raise Failure(f"A table is for a terminal: name a file that ends in {endings}.", Exit.USAGE)
    if given is not None:
        return given
    if output is None:
        return SheetFormat.TABLE
    return format_by_ending(output, _ENDINGS) or SheetFormat.CSV


def format_by_ending(output: Path | None, endings: Mapping[str, _Format]) -> _Format | None:
    """Return what the ending of a file says, None where it has none; raise Failure for one that says nothing."""
    ending = "" if output is None else output.suffix.lower().removeprefix(".")
    if ending and ending not in endings:
        known = ", ".join(f".{one}" for one in endings)
        raise Failure(f"{output}: no format has this ending ({known} have one): --format says which it is.", Exit.USAGE)
    return endings.get(ending)


def write_text(file: TextIO, format_: SheetFormat, sheet: Sheet, *, is_defused: bool) -> None:
    """Write rows; for spreadsheets with a mark of UTF-8, and with nothing that they would take for something else."""
    if format_ is SheetFormat.CSV:
        if is_defused:
            file.write(_BOM)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(sheet.names)
        writer.writerows([_cell(value, is_defused=is_defused) for value in row] for row in sheet.rows)
        return
    objects = (json.dumps(_object(sheet.names, row), ensure_ascii=False) for row in sheet.rows)
    if format_ is SheetFormat.NDJSON:
        file.writelines(one + "\n" for one in objects)
    else:
        file.writelines(_array(objects))


def defused(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def write_workbook(file: BinaryIO, sheet: Sheet) -> None:
    """Write rows as a workbook of Excel: ids as texts, moments as dates, and no formula."""
    from xlsxwriter import Workbook

    count = 0
    with Workbook(file, {"constant_memory": True, "remove_timezone": True, "strings_to_formulas": False}) as workbook:
        page = workbook.add_worksheet(sheet.title[:_LONGEST_TITLE])
        bold, moment = workbook.add_format({"bold": True}), workbook.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        page.freeze_panes(1, 0)
        for place, name in enumerate(sheet.names):
            page.set_column(place, place, _WIDE if name in _WIDE_COLUMNS else _NARROW)
            page.write_string(0, place, name, bold)
        for count, row in enumerate(sheet.rows, 1):
            if count > _MOST_ROWS:
                raise Failure(f"Excel takes {_MOST_ROWS:,} rows and no more: write a CSV, or fewer.", Exit.FAILED)
            for place, value in enumerate(row):
                _put(page, (count, place), value, moment)
        page.autofilter(0, 0, max(count, 1), len(sheet.kinds) - 1)


def need_parquet() -> None:
    """Refuse to write Parquet where the library for it is not installed."""
    if find_spec("pyarrow") is None:
        raise Failure("Parquet needs a library: pip install 'pageturner[parquet]'.", Exit.USAGE)


def write_parquet(file: BinaryIO, sheet: Sheet) -> None:
    """Write rows as Parquet: ids as texts, moments in UTC."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    types = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        datetime: pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in sheet.kinds.items()])
    rows = iter(sheet.rows)
    with ParquetWriter(file, schema) as writer:
        while block := list(islice(rows, _ROWS_A_GROUP)):
            columns = zip(*block, strict=True)
            arrays = [
                pa.array([_stored(value, kind) for value in values], types[kind])
                for values, kind in zip(columns, sheet.kinds.values(), strict=True)
            ]
            writer.write_table(pa.table(arrays, schema=schema))


def _stored(value: Any, kind: type) -> Any:
    """Return a value as its column has it: databases give whole numbers as decimals, and yes as one."""
    return value if value is None or kind is datetime else kind(value)


def _put(sheet: Any, where: tuple[int, int], value: Any, moment: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(*where, value)
    elif isinstance(value, datetime):
        sheet.write_datetime(*where, value.astimezone(UTC), moment)
    elif isinstance(value, int | float | Decimal):
        sheet.write_number(*where, value)
    else:
        sheet.write_string(*where, str(value)[:_LONGEST_CELL])


def _array(objects: Iterable[str]) -> Iterator[str]:
    """Write an array of objects, one a line."""
    separator = "[\n"
    for one in objects:
        yield separator + one
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _object(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _cell(value: Any, *, is_defused: bool) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if not isinstance(plain, str):
        return str(plain)
    if not is_defused:
        return plain
    if (safe := defused(plain)) != plain:
        return safe
    is_id = plain.isdecimal() and (len(plain) > _LONGEST_NUMBER or plain.startswith("0"))
    return f'="{plain}"' if is_id else plain
