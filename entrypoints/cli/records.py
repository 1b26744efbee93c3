"""Records as they are written into files, under Apple's own field names."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TextIO

from ..sheets import defused

#: The column for fields that Apple added.
_EXTRA = "extra"

#: A record as JSON, with what stands before its own fields.
Record = tuple[Mapping[str, str], str]


class RecordFormat(StrEnum):
    """How records are written."""

    NDJSON = "ndjson"
    CSV = "csv"


def write_records(
    file: TextIO, format_: RecordFormat, columns: Iterable[str], records: Iterable[Record], *, is_defused: bool = False
) -> int:
    """Write records, with the columns of a CSV as they are named; return how many they were."""
    if format_ is RecordFormat.CSV:
        return _write_csv(file, columns, records, is_defused=is_defused)
    count = 0
    for prefix, text in records:
        head = json.dumps(prefix, ensure_ascii=False)[:-1] + ", " if prefix else "{"
        file.write(f"{head}{text[1:]}\n")
        count += 1
    return count


def _write_csv(file: TextIO, columns: Iterable[str], records: Iterable[Record], *, is_defused: bool) -> int:
    names = list(columns)
    writer = csv.DictWriter(file, [*names, _EXTRA], lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in _rows(records, set(names)):
        writer.writerow({name: defused(str(value)) for name, value in row.items()} if is_defused else row)
        count += 1
    return count


def _rows(records: Iterable[Record], names: set[str]) -> Iterator[dict[str, Any]]:
    for prefix, text in records:
        record = json.loads(text)
        row = {name: _cell(value) for name, value in record.items() if name in names}
        rest = {name: value for name, value in record.items() if name not in names}
        yield {**prefix, **row, **({_EXTRA: json.dumps(rest)} if rest else {})}


def _cell(value: Any) -> Any:
    return value if isinstance(value, str) else json.dumps(value)
