"""What a person gave with an option, read; raises Failure, which names the option, for what cannot be read."""

from datetime import datetime
from typing import TYPE_CHECKING

from ..bookmarks import BookmarkGone, NoBookmark, read_bookmark
from ..exits import Exit, Failure
from ..moments import NoMoment, read_moment

if TYPE_CHECKING:
    from storage.mirror.feed import Extent

_ANEW = "Begin anew: take `pageturner changes --bookmark`, then export, then read on from there."


def given_bookmark(after: str, extent: "Extent") -> int:
    """Read a bookmark; one that this feed cannot go on from is refused."""
    try:
        return read_bookmark(after, extent)
    except NoBookmark as error:
        raise Failure(f"--after: {error}", Exit.USAGE) from None
    except BookmarkGone as error:
        raise Failure(f"{error} {_ANEW}", Exit.USAGE) from None


def given_moment(option: str, text: str, now: datetime) -> datetime:
    """Read a moment."""
    try:
        return read_moment(text, now)
    except NoMoment as error:
        raise Failure(f"{option}: {error}", Exit.USAGE) from None
