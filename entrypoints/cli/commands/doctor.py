"""`pageturner doctor`: examine an installation, and say how to mend what is wrong."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from apple.texts import clean

from ...exits import Exit
from ...terminal import results, write, write_json

if TYPE_CHECKING:
    from ...diagnosis import Finding

#: So many tokens that are valid are named; more are counted.
FOLD_ABOVE = 10

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    *,
    is_offline: Annotated[bool, typer.Option("--offline", help="Send no request to Apple.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Examine settings, servers, keys, tokens, workers and the scheduler, and say what to do about what is wrong.

    Example: pageturner doctor --offline
    """
    from ...diagnosis import Finding, examine

    found, folded = [], 0
    for one in examine(is_offline=is_offline):
        found.append(one)
        folded += _is_valid(one)
        if not json and not (_is_valid(one) and folded > FOLD_ABOVE):
            _show(one)
    if json:
        write_json([vars(one) for one in found])
    elif folded > FOLD_ABOVE:
        _show(Finding(mark="ok", part="token", words=f"{folded - FOLD_ABOVE:,} more are valid (--json names them)"))
    if any(one.mark == "fail" for one in found):
        raise typer.Exit(Exit.FAILED)


def _is_valid(one: "Finding") -> bool:
    return one.mark == "ok" and one.part == "token"


def _show(one: "Finding") -> None:
    words = clean(one.words)
    if results.is_terminal:
        results.print(f"[{_COLOURS[one.mark]}]{one.mark:<4}[/] {one.part:<9}", end=" ")
        results.print(words, markup=False)
    else:
        write(f"{one.mark:<4} {one.part:<9} {words}")
        sys.stdout.flush()
