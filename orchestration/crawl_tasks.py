"""The tasks of a crawl: what seed, page, follow, reconcile and publish do. Each looks at the ledger first."""

import time
from collections.abc import Callable

from storage.ledger.crawls import Crawl
from storage.ledger.pages import PageFact, PageJob
from storage.states import Cause, CrawlKind, CrawlState, PageOutcome
from storage.store import Store

from .crawl import Crawler
from .decisions.cursor import goes_straight_on
from .decisions.ended import Ended
from .decisions.index import is_askable
from .decisions.retry import Dead, GaveUp, Postponed, Refused
from .fetch import Fetcher, Stored
from .names import Namer
from .queue import TaskQueue, message_id
from .sync import Syncer

#: A step of a chain whose answer contained no list is requested again after this.
STEP_AGAIN_SECONDS = 1.0

#: A crawl of at most so many pages is published by the task that settles it: that takes a few hundredths of a second,
#: and a message of its own would cost as much. Larger ones have a task, and a queue, of their own.
SMALL_PAGES = 8


class CrawlTasks:
    """The tasks of a crawl. Each returns what it came to; those that fetch, perhaps when they must come again."""

    def __init__(
        self, store: Store, fetcher: Fetcher, crawler: Crawler, syncer: Syncer, namer: Namer, queue: TaskQueue
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._crawler = crawler
        self._syncer = syncer
        self._namer = namer
        self._queue = queue

    def seed(self, crawl_id: int, round_: int) -> Postponed | Ended:
        """Fetch the first page, and go on from the count that it shows; end or publish the crawl if that was all."""
        return self._fetch(crawl_id, round_, 0, self._after_first)

    def page(self, crawl_id: int, round_: int, index: int) -> Postponed | Ended:
        """Fetch one page of a round, unless the ledger has it or the crawl has moved on."""
        return self._fetch(crawl_id, round_, index, self._after_page)

    def follow(self, crawl_id: int, round_: int, index: int) -> Postponed | Ended:
        """Take one step of the chain, and send the next."""
        return self._fetch(crawl_id, round_, index, self._after_step)

    def reconcile(self, crawl_id: int) -> Ended | None:
        """Decide what a crawl needs next, or publish a small one: the callback of every chord. Harmless at any time."""
        crawl = self._store.crawls.get(crawl_id)
        return self._advance(crawl) if crawl.state is CrawlState.OPEN else self._publish_late(crawl)

    def publish(self, crawl_id: int) -> Ended:
        """Publish a settled crawl, once."""
        crawl = self._store.crawls.get(crawl_id)
        if crawl.state is not CrawlState.SETTLED:
            return _NOT_NEEDED
        begun = time.monotonic()
        published = self._store.publisher.publish(crawl)
        if published is None:
            return _NOT_NEEDED
        self._crawler.note_published(crawl, published, time.monotonic() - begun)
        self._syncer.advance(crawl.sync_id)
        self._namer.note_published(crawl)
        changes = published.changes
        return Ended(words=f"+{changes.inserted:,} ~{changes.updated:,} -{changes.deleted:,}")

    def fail(self, crawl_id: int, cause: Cause) -> None:
        """Fail a crawl whose task cannot go on."""
        self._fail(self._store.crawls.get(crawl_id), cause)

    def _fetch(
        self, crawl_id: int, round_: int, index: int, then: Callable[[Crawl, PageFact], Postponed | None]
    ) -> Postponed | Ended:
        """Fetch a page of the crawl's present round and act on the outcome: on a stored page by `then`."""
        job = self._store.pages.job(crawl_id, index)
        if not _is_current(job.crawl, round_):
            return self._publish_late(job.crawl) or _NOT_NEEDED
        outcome = self._fetcher.fetch(job, index)
        if isinstance(outcome, Stored):
            return then(job.crawl, outcome.page) or _told(outcome.page)
        return self._obey(job, outcome)

    def _after_first(self, crawl: Crawl, first: PageFact) -> None:
        noted = self._note_first(crawl, first)
        if noted is not None:
            self._advance(noted, message_id(noted, 0))

    def _after_page(self, crawl: Crawl, page: PageFact) -> None:
        if page.index == 0:
            self._store.crawls.note_first(crawl, page.version, page.total)

    def _after_step(self, crawl: Crawl, page: PageFact) -> Postponed | None:
        noted = self._note_first(crawl, page) if page.index == 0 else crawl
        if noted is None:
            return None
        if goes_straight_on(noted, page):
            self._queue.follow(noted, page.index + 1)
            return None
        if is_askable(page):  # the same step is next: its message is parked again
            return Postponed(seconds=STEP_AGAIN_SECONDS)
        self._advance(noted, message_id(noted, page.index))
        return None

    def _note_first(self, crawl: Crawl, first: PageFact) -> Crawl | None:
        """Note what the first page shows; return None if that ends the crawl, or the crawl has moved on."""
        noted = self._store.crawls.note_first(crawl, first.version, first.total)
        if noted is None or not self._crawler.end_if_unchanged(noted, first):
            return noted
        self._syncer.advance(crawl.sync_id)
        return None

    def _obey(self, job: PageJob, outcome: Postponed | Dead | GaveUp | Refused) -> Postponed | Ended:
        """Act on the outcome of a page that was not stored."""
        match outcome:
            case Postponed():
                return outcome
            case Dead(cause=cause):
                if self._crawler.restart(job.crawl, cause):
                    self._syncer.advance(job.crawl.sync_id)
                    return Ended(words=cause.reason, is_failure=True)
                return Ended(words=f"The crawl begins again: {cause.reason}")
            case GaveUp(cause=cause):
                self._fail(job.crawl, cause)
                return Ended(words=cause.reason, is_failure=True)
            case Refused():
                return self._refuse(job, outcome)

    def _refuse(self, job: PageJob, refused: Refused) -> Postponed | Ended:
        """Stop reading a location. Its pages stay, and a later crawl goes on from them once a person has acted."""
        if job.token is not None and not self._store.locations.has_token(job.location.id, job.token):
            return Postponed(seconds=0.0)  # the token was rotated meanwhile: try the newer one
        cause = refused.cause
        self._store.locations.mark(job.location.id, refused.state, cause.reason, cause.error)
        for crawl in self._store.crawls.open_of(job.location.id):
            self._fail(crawl, cause)
        return Ended(words=cause.reason, is_failure=True)

    def _advance(self, crawl: Crawl, own_message_id: str = "") -> Ended | None:
        """Do what a crawl needs next; a small one is published at once, and this returns what that came to."""
        is_small = _is_small(crawl)
        if not self._crawler.advance(crawl, message_id=own_message_id, sends_publish=not is_small):
            return None
        published = self.publish(crawl.id) if is_small else _NOT_NEEDED
        if published is _NOT_NEEDED:  # otherwise the sync has been advanced
            self._syncer.advance(crawl.sync_id)
            return None
        return published

    def _publish_late(self, crawl: Crawl) -> Ended | None:
        """Publish a small crawl that has settled: the task that settled it did not come to that, and comes again."""
        return self.publish(crawl.id) if crawl.state is CrawlState.SETTLED and _is_small(crawl) else None

    def _fail(self, crawl: Crawl, cause: Cause) -> None:
        if self._crawler.fail(crawl, cause):
            self._syncer.advance(crawl.sync_id)


#: The crawl is over, has moved on, or was published by another execution.
_NOT_NEEDED = Ended(words="not needed any more")


def _told(page: PageFact) -> Ended:
    """Say what a page came to."""
    if page.outcome is PageOutcome.STORED:
        return Ended(words=f"{page.records:,} {'record' if page.records == 1 else 'records'}")
    return Ended(words=page.reason or str(page.outcome), is_failure=page.outcome is PageOutcome.FAILED)


def _is_small(crawl: Crawl) -> bool:
    """Return whether a crawl is published by the task that settles it."""
    return crawl.kind is not CrawlKind.SPOT and crawl.total is not None and crawl.total <= SMALL_PAGES


def _is_current(crawl: Crawl, round_: int) -> bool:
    """Return whether a message is of the round that the crawl is in, and not of an earlier one."""
    return crawl.state is CrawlState.OPEN and round_ == crawl.round
