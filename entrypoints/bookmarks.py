"""Bookmarks: where a reader of the feed goes on."""

from typing import TYPE_CHECKING

from apple.texts import clean

if TYPE_CHECKING:
    from storage.mirror.feed import Extent

#: No number of a change is longer.
_DIGITS = 18


class NoBookmark(Exception):
    """What was given is neither a number nor a bookmark."""


class BookmarkGone(Exception):
    """The feed cannot go on from a bookmark: its reader would miss something, and has to begin anew."""


def write_bookmark(extent: "Extent", seq: int) -> str:
    """Return the bookmark of a change."""
    return f"{extent.name}:{seq}"


def read_bookmark(after: str, extent: "Extent") -> int:
    """Read a bookmark; raise NoBookmark or BookmarkGone, with a sentence, for one that this feed cannot go on from."""
    name, _, number = after.rpartition(":")
    if not number.isascii() or not number.isdecimal() or len(number) > _DIGITS:
        raise NoBookmark(f"'{clean(after)}' is neither a number nor a bookmark.")
    seq = int(number)
    if name and name != extent.name:
        raise BookmarkGone("This bookmark is of another feed: the database is another one, or was restored.")
    if seq > extent.last:
        raise BookmarkGone(f"{seq} lies beyond the feed, which ends with {extent.last}: it is of another database.")
    if seq < extent.pruned:
        words = f"{seq} is too long ago: changes up to {extent.pruned} are no longer kept (PAGETURNER_CHANGES_KEPT)."
        raise BookmarkGone(words)
    return seq
