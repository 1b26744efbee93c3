"""Screens: what a page of the console shows, whatever it is shown as."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...sheets import Sheet
from .query import Query

if TYPE_CHECKING:
    from tasks.services import Services

#: How many rows a list has on a page.
ROWS = 100

#: Somebody waits for a page: a statement that takes longer is given up.
SECONDS = 10.0


class NotFound(Exception):
    """There is no such thing; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Screen:
    """What one address shows."""

    title: str
    #: What templates show, and what is written as JSON.
    facts: Any
    #: What is written as CSV.
    sheet: Sheet | None = None


@dataclass(frozen=True, kw_only=True)
class ListPages:
    """Where a list goes on."""

    #: The position that the next page follows; None if this is the last.
    after: str | None
    is_first: bool


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of screen: at which path, how it is read, and how it is shown."""

    path: str
    template: str
    read: "Callable[[Services, Query], Screen]"
    #: The whole of a list, for a file: the page alone is read where there is none.
    read_all: "Callable[[Services, Query], Sheet] | None" = None
    #: What changes when the screen does, where it is shown live: cheap, since it is asked for every half second.
    pulse: "Callable[[Services, Query], Hashable] | None" = None


def cut(rows: Sequence[Any], position: Callable[[Any], str], query: Query) -> tuple[Sequence[Any], ListPages]:
    """Return the rows of a page, of which one more than is shown was read, and where the list goes on."""
    shown = rows[:ROWS]
    after = position(shown[-1]) if len(rows) > len(shown) else None
    return shown, ListPages(after=after, is_first=query.position() is None)
