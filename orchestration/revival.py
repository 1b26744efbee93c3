"""Revival: find unfinished crawls that no message works on, and send again what was lost."""

import logging
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from storage.clock import Timer
from storage.errors import DatabaseAway
from storage.ledger.crawls import Crawl
from storage.states import Cause, CrawlState, Trouble
from storage.store import Store

from .crawl import Crawler
from .decisions.revival import Revival, RevivalFacts, decide_revival
from .gate import Gate
from .queue import TaskQueue, message_prefix
from .sync import Syncer

log = logging.getLogger(__name__)


class Reviver:
    """Looks after unfinished syncs."""

    def __init__(
        self, store: Store, crawler: Crawler, syncer: Syncer, gate: Gate, queue: TaskQueue, timer: Timer
    ) -> None:
        self._store = store
        self._crawler = crawler
        self._syncer = syncer
        self._gate = gate
        self._queue = queue
        self._timer = timer

    def tend(self, sync_ids: Sequence[int] | None = None, *, keep: Callable[[], None] = lambda: None) -> None:
        """Look after these unfinished syncs, or all: revive crawls on which nothing works, and advance the syncs.

        That takes a while for many syncs: `keep` is called every second, so that the caller can keep its claim.
        """
        kept = self._timer.monotonic()
        for sync_id in self._store.syncs.open_ones() if sync_ids is None else sync_ids:
            if self._timer.monotonic() - kept >= 1:
                kept = self._timer.monotonic()
                keep()
            try:
                self._tend(sync_id)
            except (DatabaseAway, RedisError):  # what is away for one sync is away for all
                raise
            except Exception:  # the outermost handler of one sync: its trouble must not stop the others
                if sync_ids is not None:
                    raise
                log.exception("Sync %s could not be tended.", sync_id)

    def _tend(self, sync_id: int) -> None:
        for crawl in self._store.crawls.of_sync(sync_id):
            if crawl.is_unfinished:
                self._gate.touch(crawl.uid)
                self._revive(crawl, decide_revival(self._facts(crawl), self._store.now()))
        self._syncer.advance(sync_id)

    def _facts(self, crawl: Crawl) -> RevivalFacts:
        return RevivalFacts(
            crawl=crawl,
            last_page_at=self._store.pages.moved_at(crawl.id),
            is_at_gate=self._gate.knows(crawl.uid, message_prefix(crawl)),
            is_queued=crawl.state is CrawlState.SETTLED and self._queue.do_publishes_wait(),
            is_its_turn=self._is_its_turn(crawl),
        )

    def _is_its_turn(self, crawl: Crawl) -> bool:
        """Return whether a stream may be read now: those that follow cursors wait for the others, and each other."""
        if crawl.state is not CrawlState.OPEN or not crawl.is_chained:
            return True
        others = [one for one in self._store.crawls.of_sync(crawl.sync_id) if one.id < crawl.id and one.is_chained]
        is_first = not any(one.state is CrawlState.OPEN for one in others)
        return is_first and self._store.syncs.get(crawl.sync_id).is_handed_over

    def _revive(self, crawl: Crawl, revival: Revival) -> None:
        match revival:
            case Revival.NOTHING:
                return
            case Revival.ADVANCE:
                self._crawler.advance(crawl, is_revival=True)
            case Revival.PUBLISH:
                if self._store.crawls.send_again(crawl) is not None:
                    self._queue.publish(crawl)
            case Revival.FAIL:
                reason = f"{crawl.resource}: revived {crawl.revivals} times without reaching its end."
                self._crawler.fail(crawl, Cause(reason=reason, trouble=Trouble.AWAY))
