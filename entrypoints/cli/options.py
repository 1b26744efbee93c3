"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from .sheets import SheetFormat

#: More rows than any database has.
_MOST = 10**12

LocationOption = Annotated[
    list[str] | None, typer.Option("--location", help="Only this location; can be repeated. The default is all.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, max=_MOST, help="At most so many rows.")]
FormatOption = Annotated[
    SheetFormat | None,
    typer.Option("--format", help="How it is written; the default follows the name of --output, or is a table."),
]
OutputOption = Annotated[Path | None, typer.Option("--output", help="The file to write; - is standard output.")]
SpreadsheetsOption = Annotated[
    bool,
    typer.Option("--for-spreadsheets", help="CSV that Excel opens well: marked as UTF-8, ids and formulas as texts."),
]
