"""Bookmarks: where a reader of the feed goes on."""

from typing import TYPE_CHECKING

from apple.texts import clean

from ..exits import Exit, Failure

if TYPE_CHECKING:
    from storage.mirror.feed import Extent

#: No number of a change is longer.
_DIGITS = 18


def write_bookmark(extent: "Extent", seq: int) -> str:
    """Return the bookmark of a change."""
    return f"{extent.name}:{seq}"


def read_bookmark(after: str, extent: "Extent") -> int:
    """Read a bookmark; one that this feed cannot go on from is refused, for its reader would miss something."""
    name, _, number = after.rpartition(":")
    if not number.isascii() or not number.isdecimal() or len(number) > _DIGITS:
        raise Failure(f"--after: '{clean(after)}' is neither a number nor a bookmark.", Exit.USAGE)
    seq = int(number)
    anew = "Begin anew: take `pageturner changes --bookmark`, then export, then read on from there."
    if name and name != extent.name:
        words = "This bookmark is of another feed: the database is another one, or was restored from a backup."
        raise Failure(f"{words} {anew}", Exit.USAGE)
    if seq > extent.last:
        words = f"{seq} lies beyond the feed, which ends with {extent.last}: it is of another database."
        raise Failure(f"{words} {anew}", Exit.USAGE)
    if seq < extent.pruned:
        words = f"{seq} is too long ago: changes up to {extent.pruned} are no longer kept (PAGETURNER_CHANGES_KEPT)."
        raise Failure(f"{words} {anew}", Exit.USAGE)
    return seq
