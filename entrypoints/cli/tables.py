"""Tables of a report on a terminal: the most important columns, as many as fit. No cell is ever cut off."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from apple.texts import clean

from ..terminal import print_rows, say, since

#: How many rows a terminal shows, unless a limit was given: whoever wants all of them wants a file.
ROWS = 200

_BAR = 10
_PER_CENT = 100.0


def print_table(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    is_chosen: bool,
    limit: int | None,
    nothing: str = "No rows.",
) -> None:
    """Print rows, whose last cells say as of when they are; columns that were not chosen go if they do not fit."""
    cells = [[_cell(name, value) for name, value in zip(names, row, strict=False)] for row in rows[: limit or ROWS]]
    if not cells:
        say(nothing)
        return
    places = [place for place, _ in enumerate(names) if is_chosen or any(row[place] for row in cells)]
    names, cells = [names[place] for place in places], [[row[place] for place in places] for row in cells]
    shown = print_rows(names, cells, is_whole=is_chosen)
    _say_age(rows, len(cells), left_out=len(names) - shown)


def _say_age(rows: Sequence[Sequence[Any]], count: int, *, left_out: int) -> None:
    words = f"{count} {'row' if count == 1 else 'rows'}" if count == len(rows) else f"The first {count} rows"
    moments = [row[-1] for row in rows if row[-1] is not None]
    age = f", as of {since(min(moments))}" if moments else ""
    more = "" if count == len(rows) else " --limit, or --output FILE, gives more."
    hidden = ""
    if left_out:
        what = "1 column" if left_out == 1 else f"{left_out} columns"
        hidden = f" {what} did not fit: --columns, or a wider window, shows more."
    say(f"{words}{age}.{more}{hidden}")


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
