"""Rendering: a screen as a page, as JSON and as CSV. Everything that strangers wrote is escaped, and cleaned."""

import io
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import IO, Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from apple.texts import clean
from orchestration.decisions.age import spell_age
from orchestration.decisions.health import Alarm

from ...sheets import Sheet, SheetFormat, write_text
from .actions import WORDS
from .assets import address_of

#: A file up to this size is made in memory.
_IN_MEMORY = 1_000_000

#: A command in a sentence, between the signs that a terminal shows.
_COMMAND = re.compile(r"`([^`]+)`")

_PER_CENT = 100


def render(template: str, **context: Any) -> str:
    """Return a page, or a part of one."""
    return _environment().get_template(template).render(**context)


def write_json(facts: Any) -> bytes:
    """Return facts as JSON."""
    return msgspec.json.encode(facts, enc_hook=_plain)


def write_csv(sheet: Sheet, *, is_defused: bool) -> IO[bytes]:
    """Return a file of rows: made at once, so that nothing is held in the database while somebody takes it."""
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - whoever sends it closes it
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    write_text(text, SheetFormat.CSV, sheet, is_defused=is_defused)
    text.flush()
    text.detach()
    file.seek(0)
    return file


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= {
        "ago": ago,
        "until": until,
        "moment": moment,
        "day": lambda value: f"{value:%Y-%m-%d}",
        "clock": lambda value: f"{value.astimezone(UTC):%H:%M:%S}",
        "age": lambda value: spell_age(value if isinstance(value, timedelta) else timedelta(seconds=value)),
        "number": number,
        "parts": sentence_parts,
        "points": points,
        "tint": tint,
        "alarm": lambda value: Alarm(value).name.lower(),
    }
    made.globals |= {"asset": address_of, "version": version("pageturner"), "outcomes": WORDS}
    return made


def _shown(value: Any) -> Any:
    """Return a value as it is shown: nothing where there is none, and no control characters of strangers."""
    if value is None:
        return ""
    return clean(value) if type(value) is str else value


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was."""
    return "never" if moment is None else f"{spell_age(now - moment)} ago"


def until(moment: datetime | None, now: datetime) -> str:
    """Return the time until something."""
    if moment is None:
        return ""
    left = moment - now
    return f"in {spell_age(left)}" if left > timedelta() else "now"


def moment(value: datetime | None) -> str:
    """Return a moment, in UTC."""
    return "" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def number(value: float | Decimal | None) -> str:
    """Return a number with a comma between thousands; an unknown one is a dash."""
    return "-" if value is None else f"{value:,}"


def sentence_parts(words: str) -> list[tuple[str, bool]]:
    """Split a sentence into what is said and what is to be typed."""
    return [(part, place % 2 == 1) for place, part in enumerate(_COMMAND.split(words)) if part]


def points(values: Sequence[float], width: int, height: int) -> str:
    """Return a line through some values, as a polyline has it: from 0, or the least if that is far away, upwards."""
    low, high = min(values), max(values)
    if low == high:  # a level line, in the middle
        low, high = low - 1, high + 1
    low = min(low, 0) if low < high / 2 else low
    span = high - low
    step = width / max(1, len(values) - 1)
    return " ".join(
        f"{place * step:.1f},{height - (value - low) / span * height:.1f}" for place, value in enumerate(values)
    )


def tint(text: str) -> int:
    """Return which of the colours of tiles a name has."""
    return sum(text.encode()) % 8


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
