"""`pageturner restored`: say that the database is a backup that was restored."""

from ...terminal import say
from ..context import with_store


def restored() -> None:
    """Declare that the database is a restored backup: the bookmarks of its feed are refused from then on.

    A PostgreSQL dump that is restored into another database is noticed without this; a file, or a server that was
    taken back to an earlier moment, is not.

    Example: pageturner restored
    """
    with with_store() as services:
        services.store.feed.begin_another()
    say("The feed is another one from now on: bookmarks of before are refused.")
