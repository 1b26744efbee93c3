"""`pageturner migrate`: bring the database's schema up to date, for those who deploy step by step."""

from settings import read_settings

from ...terminal import say


def migrate() -> None:
    """Bring the database's schema up to date. Every command does so by itself where it has to.

    Example: pageturner migrate
    """
    from storage.database import open_database

    open_database(read_settings().database).close()
    say("The database is up to date.")
