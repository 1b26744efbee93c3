"""The terminal: results go to standard output, progress and messages to standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from apple.texts import clean
from orchestration.decisions.age import spell_age

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Messages go to standard error; they are plain if that is piped.
messages = Console(stderr=True, highlight=False, soft_wrap=True)
results = Console(highlight=False, soft_wrap=True)

#: A line that goes into a pipe is not cut to the width of a terminal.
_PIPE_WIDTH = 1000
if not results.is_terminal:
    results = Console(highlight=False, soft_wrap=True, width=_PIPE_WIDTH)


def say(words: str) -> None:
    """Write a message to standard error: on a terminal in lines that end between words, elsewhere in one."""
    messages.print(clean(words), markup=False, soft_wrap=not messages.is_terminal)


def say_command(command: str) -> None:
    """Write a command to standard error in one line, however long: somebody is going to copy it."""
    messages.print(f"    {clean(command)}", markup=False, soft_wrap=True)


def write(line: str) -> None:
    """Write one line of the result to standard output."""
    sys.stdout.write(line + "\n")


def write_json(value: Any) -> None:
    """Write a result as JSON; on a terminal, control characters are written as escapes."""
    text = json.dumps(value, default=_plain, ensure_ascii=False)
    write("".join(map(_escaped, text)) if results.is_terminal and not text.isprintable() else text)


def as_json(record: "DataclassInstance") -> dict[str, Any]:
    """Return a record of a location as JSON has it: there, the location's name is called `location`."""
    return {"location" if name == "name" else name: value for name, value in asdict(record).items()}


def _escaped(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


class _Plain(Table):
    """A table of plain texts: a name may hold markup, or control characters."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row of texts."""
        super().add_row(*(Text(clean(str(cell))) for cell in cells), **options)


#: Between two columns.
_GAP = 2

#: The columns of numbers, which are written below each other.
_NUMBERS = {
    *("records", "pages", "drift", "in flight", "inserted", "updated", "deleted"),
    *("total", "assigned", "available", "retired", "assignments", "unexplained", "unlisted", "expiring", "seq"),
    *("failing", "held_deletes", "lists", "unread", "locations", "available_everywhere"),
    *("assigned_7d", "assigned_30d", "days_left", "buy_for_90_days", "idle_30d", "idle_90d", "free_for_days"),
}


def print_rows(names: Sequence[str], rows: Iterable[Sequence[str]], *, is_whole: bool = False) -> int:
    """Print rows with their most important columns first: as many as fit, unless all are wanted; return how many.

    No cell is ever cut off: columns go before letters do.
    """
    cells = [list(row) for row in rows]
    shown = names if is_whole else fitting(names, cells, results.width)
    results.print(_make_table(shown, [row[: len(shown)] for row in cells]))
    return len(shown)


def fitting(names: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> Sequence[str]:
    """Return the first columns that fit into a width; at least one."""
    used = 0
    for place, name in enumerate(names):
        used += max(cell_len(name), *(cell_len(row[place]) for row in cells), 0) + _GAP
        if place and used - _GAP > width:
            return names[:place]
    return names


def _make_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table: with a bold header on a terminal, bare if it is piped."""
    table = _Plain(
        box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold" if results.is_terminal else ""
    )
    for name in names:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def since(moment: datetime | None) -> str:
    """Return how long ago something was."""
    if moment is None:
        return "never"
    return f"{spell_age(datetime.now(UTC) - moment)} ago"


def until(moment: datetime | None) -> str:
    """Return the time until something is due."""
    left = timedelta() if moment is None else moment - datetime.now(UTC)
    return f"in {spell_age(left)}" if left > timedelta() else "due"


def shorten(text: str, width: int = 36) -> str:
    """Return a text cut to a width: a token of the legacy service has several thousand characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
