"""Orders: everything that fetching one page needs to know, in one look at the database."""

from dataclasses import dataclass

import sqlalchemy as sa

from apple.tokens import Token

from ..database import Database
from ..locations import LOCATION, Location, make_location
from ..schema import crawls, locations, pages, streams
from ..sealer import Sealer
from .crawls import CRAWL, Crawl, make_crawl
from .pages import FACT, PageFact, make_fact


@dataclass(frozen=True, kw_only=True)
class Order:
    """One page to fetch: of which crawl, with which token, and what is known of it."""

    crawl: Crawl
    location: Location
    #: None where the location is no longer watched.
    token: Token | None
    page: PageFact | None


class Orders:
    """Looks orders up."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def of(self, crawl_id: int, index: int) -> Order:
        """Look up what fetching a page needs."""
        here = (pages.c.crawl_id == crawls.c.id) & (pages.c.index == index)
        query = (
            sa.select(*CRAWL.values(), *LOCATION.values(), *FACT.values(), locations.c.sealed_token)
            .join(streams, streams.c.id == crawls.c.stream_id)
            .join(locations, locations.c.id == streams.c.location_id)
            .outerjoin(pages, here)
            .where(crawls.c.id == crawl_id)
        )
        with self._database.once() as connection:
            row = connection.execute(query).one()
        location = make_location(row)
        return Order(
            crawl=make_crawl(row),
            location=location,
            token=None if row.sealed_token is None else location.token(self._sealer.open(row.sealed_token)),
            page=None if row._mapping[pages.c.index] is None else make_fact(row),  # noqa: SLF001 - its public name
        )
