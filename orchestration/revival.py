"""Reviving: look after unfinished syncs, and send again what was lost on its way."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis.exceptions import RedisError

from storage.clock import Clock
from storage.errors import DatabaseAway
from storage.ledger.crawls import Crawl, Crawls
from storage.ledger.pages import Pages
from storage.ledger.syncs import Syncs
from storage.schema import CrawlState

from .crawl import Crawler
from .decisions.retry import Trouble
from .decisions.revival import Revival, RevivalFacts, decide_revival
from .gate import Gate
from .queue import TaskQueue, message_prefix
from .sync import Syncer

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReviveStores:
    """What is remembered, as far as reviving needs it."""

    syncs: Syncs
    crawls: Crawls
    pages: Pages
    clock: Clock


class Reviver:
    """Looks after syncs."""

    def __init__(
        self, stores: ReviveStores, crawling: Crawler, syncing: Syncer, gate: Gate, sending: TaskQueue
    ) -> None:
        self._stores = stores
        self._crawling = crawling
        self._syncing = syncing
        self._gate = gate
        self._sending = sending

    def tend(self, sync_ids: list[int] | None = None, *, still: Callable[[], None] = lambda: None) -> None:
        """Look after unfinished syncs, all or some: revive their crawls that nothing is working on, and see them on.

        Of many, this takes a while: `still` is called every second, to say so.
        """
        said = time.monotonic()
        for sync_id in self._stores.syncs.open_ones() if sync_ids is None else sync_ids:
            if time.monotonic() - said >= 1:
                said = time.monotonic()
                still()
            try:
                self._tend(sync_id)
            except (DatabaseAway, RedisError):  # it is away for the others as well
                raise
            except Exception:  # the outer rim of one sync: what is wrong with it must not keep the others waiting
                if sync_ids is not None:
                    raise
                log.exception("Sync %s could not be tended.", sync_id)

    def _tend(self, sync_id: int) -> None:
        for crawl in self._stores.crawls.of_sync(sync_id):
            if crawl.is_unfinished:
                self._gate.touch(crawl.uid)
                self._revive(crawl, decide_revival(self._stillness(crawl), self._stores.clock.now()))
        self._syncing.advance(sync_id)

    def _stillness(self, crawl: Crawl) -> RevivalFacts:
        return RevivalFacts(
            crawl=crawl,
            last_page_at=self._stores.pages.moved_at(crawl.id),
            has_first_page=self._stores.pages.find(crawl.id, 0) is not None,
            is_at_gate=self._gate.knows(crawl.uid, message_prefix(crawl.id)),
            is_queued=crawl.state is CrawlState.SETTLED and self._sending.do_publishes_wait(),
            is_its_turn=self._is_its_turn(crawl),
        )

    def _is_its_turn(self, crawl: Crawl) -> bool:
        """Tell whether a stream is to be read now: cursor streams wait for the others, and for each other."""
        if crawl.state is not CrawlState.OPEN or not crawl.is_chained:
            return True
        others = [one for one in self._stores.crawls.of_sync(crawl.sync_id) if one.id < crawl.id and one.is_chained]
        is_first = not any(one.state is CrawlState.OPEN for one in others)
        return is_first and self._stores.syncs.get(crawl.sync_id).is_handed_over

    def _revive(self, crawl: Crawl, wanted: Revival) -> None:
        match wanted:
            case Revival.NOTHING:
                return
            case Revival.FAIL:
                reason = f"{crawl.resource}: revived {crawl.revivals} times without coming to its end."
                self._crawling.fail(crawl, reason, Trouble.AWAY)
            case Revival.SEED:
                if self._stores.crawls.begin_round(crawl, revival=True):
                    self._sending.seed(crawl.uid, crawl.id, crawl.round + 1)
            case Revival.ADVANCE:
                self._crawling.go_on(crawl, revival=True)
            case Revival.PUBLISH:
                self._publish_again(crawl)
            case Revival.FOLLOW:
                self._go_on(crawl)

    def _go_on(self, crawl: Crawl) -> None:
        if self._stores.crawls.revive(crawl):
            self._crawling.go_on(crawl)

    def _publish_again(self, crawl: Crawl) -> None:
        if self._stores.crawls.send_again(crawl):
            self._sending.publish(crawl.id)
