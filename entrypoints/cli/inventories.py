"""Inventories: files of other systems with one row a device, a person or an app, whatever their columns are called."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apple.texts import clean

from ..exits import Exit, Failure

#: What we read, and what the columns are called in the exports of device managements and of spreadsheets.
FIELDS: Mapping[str, Sequence[str]] = {
    "serial_number": ("serial number", "serial", "serial no", "device serial number", "device serial", "seriennummer"),
    "client_user_id": ("client user id", "user id", "clientuserid", "vpp user id"),
    "email": (
        *("email", "e mail", "email address", "e mail address", "mail", "user email", "managed apple id"),
        *("managed apple account", "user principal name", "userprincipalname", "upn"),
    ),
    "adam_id": ("adam id", "adamid", "app store id", "itunes store id", "item id", "store id"),
    "bundle_id": ("bundle id", "bundleid", "bundle identifier"),
    "name": ("app name", "app", "application", "title"),
    "total": ("total", "total licenses", "total licences", "licensecounttotal", "totallicensecount", "purchased"),
    "assigned": (
        *("assigned", "used", "used licenses", "used licences", "in use", "licenses in use", "licensecountinuse"),
        *("usedlicensecount", "consumed"),
    ),
    "available": ("available", "remaining", "remaining licenses", "remaining licences", "availablelicenses"),
}

#: What an app is called by besides, in files of apps alone: elsewhere it may be a device or a person.
_OF_APPS_ALONE: Mapping[str, Sequence[str]] = {"name": ("name", "display name"), "bundle_id": ("identifier",)}

#: The fields that name who holds something.
_HOLDERS = {"serial_number", "client_user_id", "email"}

#: The largest file that is read: millions of rows.
_MOST_BYTES = 512_000_000

_DELIMITERS = ",;\t|"
_WORKBOOK = b"PK\x03\x04"
_SEPARATOR = "sep="

#: A serial number, in a list that has no header.
_SERIAL = re.compile(r"(?=.*\d)[A-Z0-9]{8,17}")

#: A number that a spreadsheet has shortened: its last digits are lost.
_SHORTENED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)

#: A text that a spreadsheet was told not to take for a number.
_AS_TEXT = re.compile(r'="(.*)"')


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The rows of a file, each with those of our fields that the file has."""

    path: Path
    #: Under which header each of our fields stands in the file.
    headers: Mapping[str, str]
    rows: Sequence[Mapping[str, str]]

    def values(self, field: str) -> set[str]:
        """Return what stands in a column, without empty cells."""
        return {row[field] for row in self.rows if row.get(field)}


def read_inventory(path: Path, wanted: Collection[str], mapping: Mapping[str, str]) -> Inventory:
    """Read those of the wanted fields that a file has; raise Failure if it has none, or cannot be read.

    The mapping says under which header a field stands; others are found by the usual names of their columns.
    """
    lines = [(number, row) for number, row in enumerate(_read_table(path, _read_text(path)), start=1) if any(row)]
    table = [row for _, row in lines]
    if not table:
        raise Failure(f"{path} is empty.", Exit.USAGE)
    places = _places(path, table[0], wanted, mapping)
    if places is None:
        return Inventory(path=path, headers={}, rows=[{"serial_number": row[0]} for row in table])
    if len(table) == 1:
        raise Failure(f"{path} has a header, and no rows.", Exit.USAGE)
    rows = [dict(_fields(path, number, row, places)) for number, row in lines[1:]]
    if not any(any(row.values()) for row in rows):
        empty = ", ".join(table[0][place] for place in places.values())
        raise Failure(f"{path}: the cells below {empty} are empty.", Exit.USAGE)
    return Inventory(path=path, headers={field: table[0][place] for field, place in places.items()}, rows=rows)


def read_mapping(texts: Sequence[str]) -> dict[str, str]:
    """Return under which header each field stands, as `--map` says; raise Failure for a field that we do not know."""
    mapping = {}
    for text in texts:
        field, equals, header = text.partition("=")
        if not equals or field not in FIELDS or not header.strip():
            words = f"--map wants FIELD=HEADER, and not '{text}'. The fields are {', '.join(FIELDS)}."
            raise Failure(words, Exit.USAGE)
        mapping[field] = header.strip()
    return mapping


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise Failure(f"{path} is larger than {_MOST_BYTES // 1_000_000} MB.", Exit.USAGE)
        data = path.read_bytes()
    except OSError as error:
        words = error.strerror or type(error).__name__
        raise Failure(f"{path} cannot be read: {words}.", Exit.USAGE) from None
    if data.startswith(_WORKBOOK):
        raise Failure(f"{path} is a workbook: save the sheet as CSV, and give that.", Exit.USAGE)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data:
        raise Failure(f"{path} is no text: a CSV file is wanted.", Exit.USAGE)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # as a spreadsheet on Windows saves a CSV


def _read_table(path: Path, text: str) -> list[list[str]]:
    """Read the cells; they are separated by whatever stands most often in the header."""
    if text.lower().startswith(_SEPARATOR):  # a line for a spreadsheet alone
        text = text.partition("\n")[2]
    header = text.lstrip().partition("\n")[0]
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=header.count), strict=True)
        return [[_cell(cell) for cell in row] for row in rows]
    except csv.Error as error:
        raise Failure(f"{path} is no CSV file: {error}.", Exit.USAGE) from None


def _cell(text: str) -> str:
    text = text.strip()
    kept = _AS_TEXT.fullmatch(text)
    return clean(kept[1] if kept else text.removeprefix("'"))


def _places(
    path: Path, header: Sequence[str], wanted: Collection[str], mapping: Mapping[str, str]
) -> dict[str, int] | None:
    """Return in which column each field stands; None for a list of serial numbers that has no header."""
    given = [name.casefold() for name in header]
    places = {}
    for field in wanted:
        if field in mapping:
            if mapping[field].casefold() not in given:
                words = f"{path} has no column '{mapping[field]}': its columns are {', '.join(header)}."
                raise Failure(words, Exit.USAGE)
            places[field] = given.index(mapping[field].casefold())
        else:
            names = [re.sub(r"[\s_.-]+", " ", name).strip() for name in given]
            usual = [*FIELDS[field], *(() if _HOLDERS & set(places) else _OF_APPS_ALONE.get(field, ()))]
            found = [names.index(name) for name in usual if name in names]
            places |= {field: found[0]} if found else {}
    if not places and "serial_number" in wanted and len(header) == 1 and _SERIAL.fullmatch(header[0].upper()):
        return None
    if not places:
        words = f"{path} has no column that is known: its columns are {', '.join(header)}."
        fields = " or ".join(wanted)
        raise Failure(f"{words} --map FIELD=HEADER says which is which; {fields} is wanted.", Exit.USAGE)
    return places


def _fields(path: Path, number: int, row: Sequence[str], places: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for field, place in places.items():
        value = row[place] if place < len(row) else ""
        if field in {"adam_id", "serial_number"} and _SHORTENED.fullmatch(value):
            words = (
                f"{path}, row {number}: a spreadsheet has shortened the {field} to {value}, and its digits are lost."
            )
            raise Failure(f"{words} Export the file again, and do not save it with a spreadsheet.", Exit.USAGE)
        yield field, value
