"""Icons: the pictures of apps and books, kept by their addresses."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from .database import Database
from .schema import listings
from .sql import insert_or
from .visitors import icons


@dataclass(frozen=True, kw_only=True)
class StoredIcon:
    """What came of asking for an icon."""

    #: None if there was none.
    body: bytes | None
    as_of: datetime


@dataclass(frozen=True, kw_only=True)
class IconAddress:
    """What an app is called, and where its icon is; None where the store says nothing of that."""

    name: str | None
    url: str | None


class Icons:
    """The icons of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def address(self, adam_id: str) -> IconAddress:
        """Return where the icon of an app is, as the store of any country says."""
        rows = sa.select(listings.c.name, listings.c.icon_url).where(listings.c.adam_id == adam_id)
        rows = rows.order_by(listings.c.icon_url.is_(None), listings.c.name.is_(None), listings.c.country).limit(1)
        with self._database.once() as connection:
            row = connection.execute(rows).one_or_none()
        return IconAddress(name=None, url=None) if row is None else IconAddress(name=row.name, url=row.icon_url)

    def find(self, url: str) -> StoredIcon | None:
        """Return what is kept of an address."""
        with self._database.once() as connection:
            row = connection.execute(sa.select(icons).where(icons.c.url == url)).one_or_none()
        return None if row is None else StoredIcon(body=row.body, as_of=row.as_of)

    def put(self, url: str, body: bytes | None) -> None:
        """Keep what came of an address; where nothing came this time, what came earlier stays."""
        now = self._database.now()
        with self._database.write() as connection:
            statement = insert_or(connection.dialect.name, icons).values(url=url, body=body, as_of=now)
            newer = {"as_of": now} | ({} if body is None else {"body": body})
            connection.execute(statement.on_conflict_do_update(index_elements=["url"], set_=newer))
