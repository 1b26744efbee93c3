"""A store with one location in it, and crawls that were read by hand."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from apple.answers import pack
from apple.resources import RESOURCES
from apple.tokens import Token
from storage.database import Database
from storage.ledger.crawls import Crawl, Crawls
from storage.ledger.pages import Content, PageFact, Pages
from storage.ledger.streams import Stream, Streams
from storage.ledger.syncs import Opened, Syncs, Wanted
from storage.locations import Location, Locations
from storage.mirror.export import Exporter
from storage.mirror.feed import Feed
from storage.mirror.publication import Judge, Published, Publisher, Verdict
from storage.schema import PageOutcome
from storage.sealer import Sealer, make_key

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def make_token(text: str = "c2VjcmV0") -> Token:
    """Make a token."""
    return Token(text=text, expires=datetime.now(UTC) + timedelta(days=100), organisation="Example")


def let_through(_deletes, _stream) -> Verdict:
    """Judge nothing."""
    return Verdict(may_delete=True)


@dataclass(kw_only=True)
class Store:
    """Everything that is remembered."""

    database: Database
    locations: Locations
    streams: Streams
    syncs: Syncs
    crawls: Crawls
    pages: Pages
    feed: Feed
    exporting: Exporter
    publishing: Publisher

    def add(self, name: str = "hq", uid: str = "1") -> Location:
        """Keep a location."""
        return self.locations.add(name, uid, make_token(), None, list(RESOURCES))

    def stream(self, location: Location, resource: str) -> Stream:
        """Give a stream of a location."""
        return next(one for one in self.streams.watched(location.id) if one.resource == resource)

    def open(
        self,
        stream: Stream,
        wanted: Wanted | None = None,
        *,
        forced_by: str | None = None,
        too_old: datetime = LONG_AGO,
    ) -> Opened:
        """Open a crawl."""
        wanted = wanted or Wanted(stream=stream, forced_by=forced_by)
        return self.syncs.open(stream.location_id, [wanted], too_old)[1][0]

    def read(
        self,
        stream: Stream,
        *lists: list[dict[str, object]],
        consistent: bool = True,
        version: str = "v1",
        wanted: Wanted | None = None,
        **envelope: object,
    ) -> Crawl:
        """Make a settled crawl of some pages."""
        crawl_id = self.open(stream, wanted).crawl_id
        self.keep(crawl_id, stream.resource, *lists, version=version, **envelope)
        self.crawls.note_first(crawl_id, version, len(lists))
        crawl = self.crawls.get(crawl_id)
        assert self.crawls.settle(crawl, is_consistent=consistent, version=version, total=len(lists))
        return self.crawls.get(crawl_id)

    def keep(
        self, crawl_id: int, resource: str, *lists: list[dict[str, object]], version: str = "v1", **envelope
    ) -> None:
        """Keep the pages of a crawl."""
        for index, records in enumerate(lists):
            body = msgspec.json.encode({RESOURCES[resource].member: records} | envelope)
            fact = PageFact(index=index, round=0, outcome=PageOutcome.STORED, version=version, records=len(records))
            self.pages.store(crawl_id, fact, Content(body=pack(body)))

    def publish(self, crawl: Crawl, judge: Judge = let_through) -> Published | None:
        """Publish a crawl."""
        return self.publishing.publish(crawl, judge)

    def mirror(self, stream: Stream) -> list[dict[str, object]]:
        """Read the mirror."""
        texts = self.exporting.records(stream.resource, stream.location_id)
        return sorted((msgspec.json.decode(text) for text in texts), key=str)


def make_store(database: Database) -> Store:
    """Make a store over a database."""
    return Store(
        database=database,
        locations=Locations(database, Sealer([make_key()])),
        streams=Streams(database),
        syncs=Syncs(database),
        crawls=Crawls(database),
        pages=Pages(database),
        feed=Feed(database),
        exporting=Exporter(database),
        publishing=Publisher(database),
    )
