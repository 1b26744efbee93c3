"""`pageturner report`: the questions that people ask of the mirror, answered as tables and files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...exits import Exit, Failure
from ...terminal import make_table, results, say
from ..context import with_store
from ..output import write_bytes_to, write_to
from ..sheets import SheetFormat, format_of, write_sheet, write_workbook

#: More rows than any database has.
MOST = 10**12

if TYPE_CHECKING:
    from storage.reports import Choice
    from storage.views import View
    from tasks.services import Services


def report(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    name: Annotated[str | None, typer.Argument(help="The report; without a name, all are listed.")] = None,
    location: Annotated[
        list[str] | None, typer.Option(help="Only this location; can be repeated. The default is all.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Only rows in which a column is this; can be repeated."),
    ] = None,
    columns: Annotated[str | None, typer.Option(help="The columns, separated by commas; the default is all.")] = None,
    sort: Annotated[
        str | None, typer.Option(help="The columns to sort by, separated by commas; -column is the largest first.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=MOST, help="At most so many rows.")] = None,
    format_: Annotated[
        SheetFormat | None,
        typer.Option("--format", help="How it is written; the default follows the name of --output, or is a table."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The file to write; - is standard output.")] = None,
    *,
    for_spreadsheets: Annotated[
        bool,
        typer.Option(
            "--for-spreadsheets", help="CSV that Excel opens well: marked as UTF-8, ids and formulas as texts."
        ),
    ] = False,
) -> None:
    """Answer a question about all locations, or some.

    Example: pageturner report licences --location hq --output licences.xlsx
    """
    from storage.reports import Choice
    from storage.views import VIEWS

    if name is None:
        _list(list(VIEWS.values()))
        return
    if name.replace("-", "_") not in VIEWS:
        raise Failure(f"There is no report '{name}'; there are {', '.join(VIEWS)}.", Exit.USAGE)
    view = VIEWS[name.replace("-", "_")]
    with with_store() as services:
        choice = Choice(
            columns=_split(columns),
            where=_conditions(where or []),
            locations=[services.store.locations.named(one).name for one in location or []],
            sort=_split(sort),
            limit=limit,
        )
        chosen = format_of(format_, output)
        if chosen is SheetFormat.TABLE and output is not None:
            raise Failure(
                "A table is for a terminal: name a file that ends in .csv, .xlsx, .json or .ndjson.", Exit.USAGE
            )
        if chosen is SheetFormat.TABLE:
            from ..tables import print_table

            print_table(services, view, choice)
        else:
            _write(services, view, choice, chosen, output, is_defused=for_spreadsheets)


def _write(
    services: "Services", view: "View", choice: "Choice", format_: SheetFormat, output: Path | None, *, is_defused: bool
) -> None:
    from storage.reports import columns_of

    names = columns_of(view, choice)
    rows = services.store.reports.rows(view, choice)
    if format_ is SheetFormat.XLSX:
        write_bytes_to(output, lambda file: write_workbook(file, view.name, names, rows))
    else:
        write_to(output, lambda file: write_sheet(file, format_, names, rows, is_defused=is_defused))


def _list(views: list["View"]) -> None:
    table = make_table("report", "what it answers")
    for view in views:
        table.add_row(view.name, view.about)
    results.print(table)
    say("Next: pageturner report NAME")


def _split(text: str | None) -> list[str]:
    return [one.strip() for one in (text or "").split(",") if one.strip()]


def _conditions(given: list[str]) -> list[tuple[str, str]]:
    wrong = [one for one in given if "=" not in one]
    if wrong:
        raise Failure(f"--where wants COLUMN=VALUE, and not '{wrong[0]}'.", Exit.USAGE)
    return [(column.strip(), value) for column, _, value in (one.partition("=") for one in given)]
