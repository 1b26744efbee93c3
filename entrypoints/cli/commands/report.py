"""`pageturner report`: the questions that people ask of the mirror, answered as tables and files."""

from dataclasses import replace
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...exits import Exit, Failure
from ...sheets import Sheet, SheetFormat, format_of
from ...terminal import print_rows, say
from ..context import with_store
from ..options import FormatOption, LimitOption, LocationOption, OutputOption, ReportArgument, SpreadsheetsOption
from ..output import give
from ..tables import ROWS, print_table
from ..unread import say_unread

if TYPE_CHECKING:
    from storage.reports import Choice
    from storage.views import View
    from tasks.services import Services


def report(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    name: ReportArgument = None,
    location: LocationOption = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Only rows in which a column is this; can be repeated."),
    ] = None,
    columns: Annotated[str | None, typer.Option(help="The columns, separated by commas; the default is all.")] = None,
    sort: Annotated[
        str | None, typer.Option(help="The columns to sort by, separated by commas; -column is the largest first.")
    ] = None,
    limit: LimitOption = None,
    format_: FormatOption = None,
    output: OutputOption = None,
    *,
    for_spreadsheets: SpreadsheetsOption = False,
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
        near = get_close_matches(name.replace("-", "_"), VIEWS, 1)
        meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(VIEWS)}."
        raise Failure(f"There is no report '{name}'; {meant}", Exit.USAGE)
    view = VIEWS[name.replace("-", "_")]
    with with_store() as services:
        choice = Choice(
            columns=_split(columns),
            where=_conditions(view, where or []),
            locations=[services.store.locations.named(one).name for one in location or []],
            sort=_split(sort),
            limit=limit,
        )
        chosen = format_of(format_, output)
        say_unread(services, choice.locations, view.lists)
        if chosen is SheetFormat.TABLE:
            _print(services, view, choice)
        else:
            _write(services, view, choice, chosen, output, is_defused=for_spreadsheets)


def _print(services: "Services", view: "View", choice: "Choice") -> None:
    """Print the columns that a person looks at first, of the rows that were chosen."""
    wanted = list(choice.columns) or list(view.shown)
    read = replace(choice, columns=[*wanted, "as_of"], limit=choice.limit or ROWS + 1)
    rows = list(services.store.reports.rows(view, read))
    print_table(wanted, rows, is_chosen=bool(choice.columns), limit=choice.limit)


def _write(
    services: "Services", view: "View", choice: "Choice", format_: SheetFormat, output: Path | None, *, is_defused: bool
) -> None:
    from storage.reports import columns_of

    kinds = {name: view.kinds[name] for name in columns_of(view, choice)}
    sheet = Sheet(title=view.name, kinds=kinds, rows=services.store.reports.rows(view, choice))
    give(sheet, format_, output, is_defused=is_defused)


def _list(views: list["View"]) -> None:
    print_rows(("report", "what it answers"), [(view.name, view.about) for view in views], is_whole=True)
    say("Next: pageturner report NAME")


def _split(text: str | None) -> list[str]:
    return [one.strip() for one in (text or "").split(",") if one.strip()]


def _conditions(view: "View", given: list[str]) -> list[tuple[str, str]]:
    wrong = [one for one in given if "=" not in one]
    if wrong:
        words = f"--where wants COLUMN=VALUE, and not '{wrong[0]}': SQL takes other questions to {view.name}."
        raise Failure(words, Exit.USAGE)
    conditions = [(column.strip(), value) for column, _, value in (one.partition("=") for one in given)]
    for column, value in conditions:
        if value and view.kinds.get(column) in {int, float} and not _is_number(value):
            raise Failure(f"--where {column} wants a number, and not '{value}'.", Exit.USAGE)
    return conditions


def _is_number(value: str) -> bool:
    try:
        return isfinite(float(value))
    except ValueError:
        return False
