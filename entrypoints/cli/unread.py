"""Lists that were never read: an answer without them is not the whole truth."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..exits import Exit, Failure
from ..terminal import say

if TYPE_CHECKING:
    from tasks.services import Services

#: How many locations are named.
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class _Unread:
    """What was never read of what an answer is made from."""

    #: The locations of which a list was never read.
    names: Sequence[str]
    #: Whether none of the lists was read.
    is_all: bool

    def words(self) -> str:
        if self.is_all:
            return "Nothing of this was read from Apple yet: pageturner sync"
        more = f" and {len(self.names) - _NAMED} more" if len(self.names) > _NAMED else ""
        some = ", ".join(self.names[:_NAMED])
        return f"Some lists of {some}{more} were never read, and are not in this answer: pageturner sync"


def say_unread(services: "Services", locations: Sequence[str], resources: Collection[str]) -> None:
    """Say which of some locations, or of all, have lists that were never read: the answer lacks them."""
    _say(_find(services, locations, resources))


def refuse_unread(services: "Services", locations: Sequence[str], resources: Collection[str]) -> None:
    """Raise Failure where none of the lists was read: nobody would be found. Say so where some were not."""
    unread = _find(services, locations, resources)
    if unread.is_all:
        raise Failure(unread.words(), Exit.USAGE)
    _say(unread)


def _say(unread: _Unread) -> None:
    if unread.names:
        say(unread.words())


def _find(services: "Services", locations: Sequence[str], resources: Collection[str]) -> _Unread:
    known = services.store.locations
    asked = [known.named(name) for name in locations] or known.watched()
    if not asked:
        raise Failure("No locations yet: pageturner locations add FILE", Exit.USAGE)
    streams = services.store.streams.by_location()
    lists = [(one.name, s.published_at) for one in asked for s in streams.get(one.id, ()) if s.resource in resources]
    names = list(dict.fromkeys(name for name, read_at in lists if read_at is None))
    return _Unread(names=names, is_all=bool(names) and all(read_at is None for _, read_at in lists))
