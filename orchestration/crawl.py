"""Crawling: the use cases behind the tasks. Each looks at the ledger, decides by a pure function, and obeys."""

import logging
import time
from dataclasses import dataclass

from storage.errors import StorageError
from storage.ledger.crawls import Crawl, Crawls
from storage.ledger.orders import Order, Orders
from storage.ledger.pages import PageFact, Pages
from storage.ledger.streams import Streams
from storage.mirror.counts import Counts
from storage.mirror.publication import Published, Publisher
from storage.schema import CrawlKind, CrawlState, PageOutcome

from .decisions import retry
from .decisions.cursor import goes_straight_on
from .decisions.hold import judge_deletes
from .decisions.model import CrawlDecision, Fail, Fetch, Restart, Settle, Step
from .decisions.reconcile import decide_crawl, is_unchanged
from .failure import Failing
from .fetch import Fetcher, StartedOver
from .gate import Gate
from .log_context import about
from .metrics import Metrics
from .queue import Postponed, TaskQueue, message_id, message_prefix
from .sync import Syncer

log = logging.getLogger(__name__)

#: A step of a chain that came without being one is asked for again after this.
_STEP_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What is remembered, as the use cases need it."""

    streams: Streams
    crawls: Crawls
    pages: Pages
    orders: Orders
    counts: Counts
    publishing: Publisher


@dataclass(frozen=True, kw_only=True)
class Hands:
    """What the use cases have others do."""

    fetching: Fetcher
    syncing: Syncer
    gate: Gate
    sending: TaskQueue
    tally: Metrics


class Crawler:
    """The use cases of a crawl."""

    def __init__(self, stores: Stores, hands: Hands) -> None:
        self._stores = stores
        self._fetching = hands.fetching
        self._syncing = hands.syncing
        self._gate = hands.gate
        self._sending = hands.sending
        self._tally = hands.tally
        self._failing = Failing(stores.crawls, stores.counts, hands.tally)

    def seed(self, crawl_id: int, round_: int) -> None:
        """Fetch the first page; stop there if nothing has changed, else go on to the rest."""
        order = self._stores.orders.of(crawl_id, 0)
        crawl = order.crawl
        if crawl.state is not CrawlState.OPEN or round_ != crawl.round:
            return
        first = self._fetch(order, 0)
        if first is not None and not self._ends_here(crawl, first):
            self.go_on(crawl, but=message_id(crawl_id, round_, 0))

    def page(self, crawl_id: int, round_: int, index: int) -> None:
        """Fetch one page of a round, unless the ledger has it or the crawl has moved on."""
        order = self._stores.orders.of(crawl_id, index)
        if order.crawl.state is CrawlState.OPEN and round_ == order.crawl.round:
            self._fetch(order, index)

    def follow(self, crawl_id: int, round_: int, index: int) -> None:
        """Take one step of the chain, and send the next on its way."""
        order = self._stores.orders.of(crawl_id, index)
        crawl = order.crawl
        if crawl.state is not CrawlState.OPEN or round_ != crawl.round:
            return
        step = self._fetch(order, index)
        if step is None or (index == 0 and self._ends_here(crawl, step)):
            return
        if goes_straight_on(crawl, step):
            self._sending.follow(crawl.uid, crawl_id, round_, index + 1)
            return
        decision = decide_crawl(crawl, self._stores.pages.facts(crawl_id, crawl.floor))
        if decision == Step(index=index):  # its own message is still here: it comes again by itself
            raise Postponed(_STEP_AGAIN_SECONDS)
        self.go_on(crawl, but=message_id(crawl_id, round_, index))

    def reconcile(self, crawl_id: int) -> None:
        """Decide from the ledger what the crawl needs next, and send it on its way. Harmless at any time."""
        crawl = self._stores.crawls.get(crawl_id)
        if crawl.state is CrawlState.OPEN:
            self.go_on(crawl)

    def publish(self, crawl_id: int) -> None:
        """Publish a settled crawl, once."""
        crawl = self._stores.crawls.get(crawl_id)
        if crawl.state is not CrawlState.SETTLED:
            return
        begun = time.monotonic()
        published = self._stores.publishing.publish(
            crawl, lambda deletes, kept: judge_deletes(deletes, kept, crawl.opened_at)
        )
        if published is not None:
            self._tell_published(crawl, published, time.monotonic() - begun)
            self._syncing.advance(crawl.sync_id)

    def go_on(self, crawl: Crawl, *, but: str = "", revival: bool = False) -> None:
        """Have done what a crawl needs next, unless something of it is still under way: that is waited for."""
        decision = decide_crawl(crawl, self._stores.pages.facts(crawl.id, crawl.floor))
        # A callback may come early, or twice.
        if isinstance(decision, Fail) or not self._gate.knows(crawl.uid, message_prefix(crawl.id), but=but):
            self._obey(crawl, decision, revival=revival)

    def fail(self, crawl: Crawl, reason: str, trouble: retry.Trouble) -> None:
        """Fail a crawl, and see its sync on."""
        self._failing.fail(crawl, reason, trouble)
        self._syncing.advance(crawl.sync_id)

    def fail_for_bug(self, crawl_id: int, error: Exception) -> None:
        """Fail a crawl for a mistake of ours; the log has the rest."""
        reason = f"A bug ({type(error).__name__}): please report it with the worker's log."
        self.fail(self._stores.crawls.get(crawl_id), reason, retry.Trouble.BUG)

    def fail_for_person(self, crawl_id: int, error: StorageError) -> None:
        """Fail a crawl for something that only a person can mend."""
        self.fail(self._stores.crawls.get(crawl_id), str(error), retry.Trouble.PERSON)

    def _tell_published(self, crawl: Crawl, published: Published, seconds: float) -> None:
        done = {"insert": published.inserted, "update": published.updated, "delete": published.deleted}
        with about(location=crawl.uid, stream=crawl.resource):
            log.info("Published in %.2f s: +%d ~%d -%d, %d held.", seconds, *done.values(), published.held)
        self._tally.observe("publish_seconds", seconds, resource=crawl.resource)
        self._tally.count("crawls", resource=crawl.resource, kind=crawl.kind, outcome="published")
        for op, count in done.items():
            self._tally.count("changes", count, resource=crawl.resource, op=op)
        if not crawl.is_consistent and crawl.kind is not CrawlKind.SPOT:
            self._tally.count("torn", resource=crawl.resource)

    def _fetch(self, order: Order, index: int) -> PageFact | None:
        crawl = order.crawl
        try:
            page = self._fetching.fetch(order, index)
        except StartedOver:
            self._begin_again(crawl)
            return None
        if page is None:
            self._syncing.advance(crawl.sync_id)
        elif index == 0:
            self._stores.crawls.note_first(crawl.id, page.version, page.total)
        return page

    def _ends_here(self, crawl: Crawl, first: PageFact) -> bool:
        """End a crawl whose first page shows that there is nothing to read."""
        stream = self._stores.streams.get(crawl.stream_id)
        if first.outcome is not PageOutcome.STORED or not is_unchanged(crawl, first, stream.complete_version):
            return False
        if not self._stores.crawls.end_unchanged(crawl, first.version):
            return False
        self._tally.count("crawls", resource=crawl.resource, kind=crawl.kind, outcome="unchanged")
        self._syncing.advance(crawl.sync_id)
        return True

    def _obey(self, crawl: Crawl, decision: CrawlDecision, *, revival: bool) -> None:
        match decision:
            case Fetch(indexes=indexes, is_reread=reread):
                if self._stores.crawls.begin_round(crawl, reread=reread, revival=revival):
                    self._tally.count("drift", int(reread), resource=crawl.resource)
                    self._sending.round(crawl.uid, crawl.id, crawl.round + 1, indexes)
            case Restart():
                if self._stores.crawls.restart(crawl, reread=True):
                    self._tally.count("drift", resource=crawl.resource)
                    self._begin_again(crawl)
            case Step(index=index):
                self._sending.follow(crawl.uid, crawl.id, crawl.round, index)
            case Settle():
                self._settle(crawl, decision)
            case Fail(reason=reason):
                self.fail(crawl, f"{crawl.resource}: {reason}", retry.Trouble.AWAY)

    def _settle(self, crawl: Crawl, found: Settle) -> None:
        settled = self._stores.crawls.settle(
            crawl,
            is_consistent=found.is_consistent,
            version=found.version,
            total=found.total,
            scopes=found.scopes,
        )
        if settled:
            self._sending.publish(crawl.id)
            self._syncing.advance(crawl.sync_id)

    def _begin_again(self, crawl: Crawl) -> None:
        if crawl.is_chained:
            self._sending.follow(crawl.uid, crawl.id, crawl.round + 1, 0)
        else:
            self._sending.seed(crawl.uid, crawl.id, crawl.round + 1)
