"""`pageturner doctor`: look at everything that a newcomer gets wrong, and say how to mend it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from settings import WrongSettings, read_settings

from ..examining import Examining
from ..exits import KNOWN, Exit, explain
from ..living import asking
from ..printing import give, give_json, results


class Mark(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class _Line:
    mark: Mark
    part: str
    words: str


_COLOURS = {Mark.OK: "green", Mark.WARN: "yellow", Mark.FAIL: "red"}


def doctor(
    *,
    is_offline: Annotated[bool, typer.Option("--offline", help="Ask Apple nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Examine settings, servers, keys, tokens, workers and the clock, and say what to do about what is wrong.

    Example: pageturner doctor --offline
    """
    lines = _examine(is_offline=is_offline)
    if json:
        give_json([{"mark": one.mark, "part": one.part, "words": one.words} for one in lines])
    else:
        for one in lines:
            if results.is_terminal:
                results.print(f"[{_COLOURS[one.mark]}]{one.mark:<4}[/] {one.part:<9}", end=" ")
                results.print(one.words, markup=False)
            else:
                give(f"{one.mark:<4} {one.part:<9} {one.words}")
    if any(one.mark is Mark.FAIL for one in lines):
        raise typer.Exit(Exit.FAILED)


def _examine(*, is_offline: bool) -> list[_Line]:
    try:
        settings = read_settings()
    except WrongSettings as error:
        return [_Line(mark=Mark.FAIL, part="settings", words=str(error))]
    lines = [_Line(mark=Mark.OK, part="settings", words=f"home {settings.home}, Apple at {settings.apple_url}")]
    try:
        with asking(needs_redis=False) as house:
            findings = Examining(house, datetime.now(UTC)).all(is_offline=is_offline)
            lines += [_Line(mark=Mark(one.mark), part=one.part, words=one.words) for one in findings]
    except KNOWN as error:
        words, _ = explain(error)
        lines.append(_Line(mark=Mark.FAIL, part="servers", words=words))
    return lines
