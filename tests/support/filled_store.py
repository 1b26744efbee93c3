"""A store that tests fill by hand: locations, and crawls whose pages are given."""

from datetime import UTC, datetime, timedelta

import msgspec

from apple.answers import pack
from apple.pages import read_page
from apple.questions import Question
from apple.records import Records
from apple.resources import RESOURCES
from apple.tokens import Token
from storage.database import Database
from storage.ledger.crawls import Crawl
from storage.ledger.pages import PageFact
from storage.ledger.streams import Stream
from storage.ledger.syncs import Opened, Wanted
from storage.locations import Location
from storage.mirror.hold import Judge, Verdict
from storage.mirror.publication import Published
from storage.sealer import Sealer, make_key
from storage.states import PageOutcome
from storage.store import Store

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def make_token(text: str = "c2VjcmV0") -> Token:
    """Make a token."""
    return Token(text=text, expires=datetime.now(UTC) + timedelta(days=100), organisation="Example")


def let_through(*_) -> Verdict:
    """Judge nothing."""
    return Verdict(may_delete=True)


class FilledStore(Store):
    """A store, and what fills it by hand."""

    def add(self, name: str = "hq", uid: str = "1") -> Location:
        """Keep a location."""
        return self.locations.add(name, uid, make_token(), None, list(RESOURCES))

    @property
    def location(self) -> Location:
        """The location of a test that needs one alone."""
        return self.locations.named("hq")

    def stream(self, location: Location, resource: str) -> Stream:
        """Return a stream of a location."""
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
        crawl = self.crawls.note_first(self.crawls.get(crawl_id), version, len(lists))
        settled = self.crawls.settle(crawl, is_consistent=consistent, version=version, total=len(lists))
        assert settled is not None
        return settled

    def keep(
        self, crawl_id: int, resource: str, *lists: list[dict[str, object]], version: str = "v1", **envelope
    ) -> None:
        """Keep the pages of a crawl."""
        for index, records in enumerate(lists):
            body = msgspec.json.encode({RESOURCES[resource].member: records} | envelope)
            fact = PageFact(index=index, round=0, outcome=PageOutcome.STORED, version=version, records=len(records))
            page = read_page(Question(resource=RESOURCES[resource], index=index), body)
            job = self.pages.job(crawl_id, index)
            self.pages.store(crawl_id, fact, job.content(page.records or Records(), pack(body)))

    def publish(self, crawl: Crawl, judge: Judge = let_through) -> Published | None:
        """Publish a crawl."""
        return self.publisher.publish(crawl, judge)

    def unfinished(self) -> list[Crawl]:
        """Return every crawl that is unfinished."""
        of_syncs = (self.crawls.of_sync(sync_id) for sync_id in self.syncs.open_ones())
        return [crawl for some in of_syncs for crawl in some if crawl.is_unfinished]

    def mirror(self, stream: Stream) -> list[dict[str, object]]:
        """Read the mirror."""
        texts = self.exporter.records(stream.resource, stream.location_id)
        return sorted((msgspec.json.decode(text) for text in texts), key=str)


def make_store(database: Database) -> FilledStore:
    """Make a store over a database, with a key of its own."""
    return FilledStore(database, Sealer([make_key()]))
