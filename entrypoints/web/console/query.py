"""Queries: what the address of a screen asks for. Everything that a screen shows is in its address."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

from ...moments import NoMoment, read_moment

#: Longer texts are no names.
_LONGEST_TEXT = 500

#: A number that is typed has no more digits.
_DIGITS = 18

#: No number of a database is larger.
LARGEST = 2**63 - 1

#: The parameter that says which page of a list is wanted.
AFTER = "after"


class WrongQuery(Exception):
    """An address cannot be used; the message says what is wrong with it."""


class Query:
    """What an address asks for."""

    def __init__(self, path: str, places: Mapping[str, str], given: QueryParams) -> None:
        self.path = path
        self._places = places
        self._given = given

    def place(self, name: str) -> str:
        """Return a part of the path."""
        return self._places[name]

    def text(self, name: str) -> str:
        """Return a text, empty where there is none."""
        text = self._given.get(name, "").strip()
        if len(text) > _LONGEST_TEXT or "\x00" in text:
            raise WrongQuery(f"'{name}' is too long, or has signs that no name has.")
        return text

    def texts(self, name: str) -> list[str]:
        """Return all texts of a name that stand in the address."""
        return [one.strip() for one in self._given.getlist(name) if one.strip()]

    def has(self, name: str) -> bool:
        """Return whether something is asked for, were it nothing."""
        return name in self._given

    def number(self, name: str) -> int | None:
        """Return a whole number that is not negative; None where there is none."""
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS:
            raise WrongQuery(f"'{name}' is a whole number, and not '{text}'.")
        return int(text)

    def one_of(self, name: str, known: Sequence[str]) -> str:
        """Return one of some words, empty where there is none."""
        text = self.text(name)
        if text and text not in known:
            raise WrongQuery(f"'{name}' is one of {', '.join(known)}, and not '{text}'.")
        return text

    def moment(self, name: str) -> datetime | None:
        """Return a day, or a moment, in UTC where nothing else is said."""
        text = self.text(name)
        if not text:
            return None
        try:
            return read_moment(text, datetime.now(UTC))
        except NoMoment as error:
            raise WrongQuery(f"{name}: {error}") from None

    def position(self) -> list[Any] | None:
        """Return what the page that is wanted follows; None for the first page."""
        text = self._given.get(AFTER, "")
        return read_position(text) if text else None

    def link(self, **changes: Any) -> str:
        """Return this address with some of what it asks for changed: None takes it away. Its first page is shown."""
        kept = [(name, value) for name, value in self._given.multi_items() if name not in {AFTER, *changes}]
        new = [(name, value) for name, value in changes.items() if value is not None]
        asked = urlencode([*kept, *new])
        return f"{self.path}?{asked}" if asked else self.path

    def link_as(self, ending: str) -> str:
        """Return the address of the same as a file: everything that is asked for, but for the page."""
        _, _, asked = self.link().partition("?")
        path = "/overview" if self.path == "/" else self.path
        return f"{path}.{ending}?{asked}" if asked else f"{path}.{ending}"


def write_position(values: Sequence[Any]) -> str:
    """Return a position as an address has it."""
    return msgspec.json.encode([_plain(value) for value in values]).decode()


def read_position(text: str) -> list[Any]:
    """Return a position that stood in an address; raise WrongQuery if none did."""
    try:
        values = msgspec.json.decode(text, type=list[str | int | float | list[str] | None])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WrongQuery("'after' does not come from a page of this list.") from None
    if any(isinstance(one, int) and abs(one) > LARGEST for one in values) or "\\u0000" in text:
        raise WrongQuery("'after' does not come from a page of this list.")
    return [_moment(one) if isinstance(one, list) else one for one in values]


def _moment(value: list[str]) -> datetime:
    """Read a moment, which stands in a list of its own: a text is a text, however it looks."""
    try:
        return datetime.fromisoformat(value[0]).astimezone(UTC)
    except (ValueError, IndexError, OverflowError):
        raise WrongQuery("'after' does not come from a page of this list.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return [value.isoformat()]
    return value if isinstance(value, str | int | float | type(None)) else float(value)
