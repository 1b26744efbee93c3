"""Tables of a report on a terminal: the most important columns, as many as fit. No cell is ever cut off."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from apple.texts import clean

from ..terminal import make_table, results, say, since

if TYPE_CHECKING:
    from storage.reports import Choice
    from storage.views import View
    from tasks.services import Services

#: How many rows a terminal shows, unless a limit was given: whoever wants all of them wants a file.
_ROWS = 200

#: Between two columns.
_GAP = 2

_BAR = 10
_PER_CENT = 100.0


def print_table(services: "Services", view: "View", choice: "Choice") -> None:
    """Print the rows that were chosen, and as of when they are."""
    from dataclasses import replace

    wanted = list(choice.columns) or list(view.shown)
    read = replace(choice, columns=[*wanted, "as_of"], limit=choice.limit or _ROWS + 1)
    rows = list(services.store.reports.rows(view, read))
    cells = [
        [_cell(name, value) for name, value in zip(wanted, row, strict=False)] for row in islice(rows, _shown(choice))
    ]
    names = wanted if choice.columns else fitting(wanted, cells, results.width)
    table = make_table(*names)
    for row in cells:
        table.add_row(*row[: len(names)])
    results.print(table)
    _say_age(rows, len(cells), is_all=len(cells) == len(rows), left_out=len(wanted) - len(names))


def fitting(names: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the first columns that fit into a width; at least one."""
    chosen: list[str] = []
    used = 0
    for place, name in enumerate(names):
        used += max(len(name), *(len(row[place]) for row in cells), 0) + _GAP
        if chosen and used - _GAP > width:
            break
        chosen.append(name)
    return chosen


def _shown(choice: "Choice") -> int:
    return choice.limit or _ROWS


def _say_age(rows: Sequence[Sequence[Any]], count: int, *, is_all: bool, left_out: int) -> None:
    if not count:
        say("No rows.")
        return
    moments = [row[-1] for row in rows if row[-1] is not None]
    age = f", as of {since(min(moments))}" if moments else ""
    more = "" if is_all else " of more: --limit, or --output FILE, for the others"
    hidden = f" {left_out} columns did not fit: --columns, or a wider window, shows them." if left_out else ""
    say(f"{count} {'row' if count == 1 else 'rows'}{more}{age}.{hidden}")


def _cell(name: str, value: Any) -> str:
    """Write a value for a person."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "used_percent":
        full = round(_BAR * min(float(value), _PER_CENT) / _PER_CENT)
        return f"{'━' * full}{'╌' * (_BAR - full)} {value:g} %"
    if name == "age_seconds":
        from datetime import timedelta

        from orchestration.decisions.age import spell_age

        return spell_age(timedelta(seconds=int(value)))
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    return clean(str(value))
