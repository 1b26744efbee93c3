"""Syncing: open a round over a location, and tell how far it is."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.crawls import Crawls
from storage.locations import Location, Locations
from storage.progress import Progress, ProgressReport
from storage.schema import CrawlState, LocationState
from storage.streams import Streams
from storage.syncs import Opened, Syncs, Wanted

from .gate import Gate
from .sending import Sending, message_prefix
from .tending import QUIET

#: Pages older than this are worth little: the data have moved on. A new crawl begins instead.
RESUME_WITHIN = timedelta(hours=1)


class TokenOutOfDate(Exception):
    """The token's date has passed: download a new one from Apple and rotate it in."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True, kw_only=True)
class SyncStores:
    """What is remembered, as far as a sync needs it."""

    locations: Locations
    streams: Streams
    syncs: Syncs
    crawls: Crawls
    progress: Progress


class Syncing:
    """Opens syncs and follows them."""

    def __init__(self, stores: SyncStores, gate: Gate, sending: Sending) -> None:
        self._stores = stores
        self._gate = gate
        self._sending = sending

    def open(self, location: Location, resources: list[str] | None, *, full: bool) -> list[int]:
        """Start the due crawls of a location, take over those that were left unfinished, and give their numbers."""
        now = datetime.now(UTC)
        if location.token_expires <= now:
            self._stores.locations.mark(location.id, LocationState.EXPIRED, TokenOutOfDate.__doc__)
            raise TokenOutOfDate
        wanted = [
            Wanted(stream=stream, forced_by="asked for" if full else stream.full_wanted)
            for stream in self._stores.streams.watched(location.id)
            if resources is None or stream.resource in resources
        ]
        opened = self._stores.syncs.open(location.id, wanted, now - RESUME_WITHIN)
        for one in opened:
            self._begin(one)
        return [one.crawl_id for one in opened]

    def report(self, crawl_ids: list[int]) -> list[ProgressReport]:
        """Tell how far crawls are."""
        return self._stores.progress.of(crawl_ids)

    def _begin(self, opened: Opened) -> None:
        crawl = self._stores.crawls.get(opened.crawl_id)
        if opened.is_new:
            self._sending.seed(crawl.uid, crawl.id, crawl.round)
            return
        is_moving = datetime.now(UTC) - crawl.moved_at < QUIET or self._gate.knows(crawl.uid, message_prefix(crawl.id))
        if crawl.state is CrawlState.OPEN and not is_moving and self._stores.crawls.begin_round(crawl):
            # Page 0 is asked for again: it tells whether what the ledger holds is still of the present.
            self._sending.seed(crawl.uid, crawl.id, crawl.round + 1)
