"""Sheets: rows with named columns, as they are written into files."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ..exits import Exit, Failure

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

#: What tells a spreadsheet that a file is UTF-8.
_BOM = "\ufeff"


class SheetFormat(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    XLSX = "xlsx"


def format_of(given: SheetFormat | None, output: Path | None) -> SheetFormat:
    """Return the format: the one that is asked for, that of the file's ending, or a table."""
    if given is not None:
        return given
    ending = "" if output is None else output.suffix.lower().removeprefix(".")
    if ending in {one.value for one in SheetFormat} - {SheetFormat.TABLE.value}:
        return SheetFormat(ending)
    return SheetFormat.TABLE if output is None else SheetFormat.CSV


def write_sheet(
    file: TextIO, format_: SheetFormat, names: Sequence[str], rows: Iterable[Sequence[Any]], *, is_defused: bool = False
) -> None:
    """Write rows; for spreadsheets with a mark of UTF-8, and with nothing that they would take for something else."""
    if format_ is SheetFormat.CSV:
        if is_defused:
            file.write(_BOM)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(value, is_defused=is_defused) for value in row] for row in rows)
        return
    objects = (json.dumps(_object(names, row), ensure_ascii=False) for row in rows)
    if format_ is SheetFormat.NDJSON:
        file.writelines(one + "\n" for one in objects)
    else:
        file.writelines(_array(objects))


def defused(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def write_workbook(file: BinaryIO, title: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as a workbook of Excel: ids as texts, moments as dates, and no formula."""
    from xlsxwriter import Workbook

    count = 0
    with Workbook(file, {"constant_memory": True, "remove_timezone": True, "strings_to_formulas": False}) as workbook:
        sheet = workbook.add_worksheet(title[:_LONGEST_TITLE])
        bold, moment = workbook.add_format({"bold": True}), workbook.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet.freeze_panes(1, 0)
        for place, name in enumerate(names):
            sheet.set_column(place, place, _WIDE if name in _WIDE_COLUMNS else _NARROW)
            sheet.write_string(0, place, name, bold)
        for count, row in enumerate(rows, 1):
            if count > _MOST_ROWS:
                raise Failure(f"Excel takes {_MOST_ROWS:,} rows and no more: write a CSV, or fewer.", Exit.FAILED)
            for place, value in enumerate(row):
                _put(sheet, (count, place), value, moment)
        sheet.autofilter(0, 0, max(count, 1), len(names) - 1)


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
