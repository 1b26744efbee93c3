"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from ..sheets import SheetFormat
from .completions import location_names, report_names, resource_names

#: More rows than any database has.
_MOST = 10**12

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of the location.", autocompletion=location_names)
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="The locations; the default is all.", autocompletion=location_names),
]
ReportArgument = Annotated[
    str | None, typer.Argument(help="The report; without a name, all are listed.", autocompletion=report_names)
]
LocationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--location", help="Only this location; can be repeated. The default is all.", autocompletion=location_names
    ),
]
ResourcesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--resource", help="The resource; can be repeated. The default is all.", autocompletion=resource_names
    ),
]
ResourceOption = Annotated[
    str | None, typer.Option("--resource", help="Only this resource.", autocompletion=resource_names)
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
