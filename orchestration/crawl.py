"""Crawl: decide from the ledger what a crawl needs next, and do it. No other place obeys these decisions."""

import logging
from dataclasses import replace

from storage.ledger.crawls import Crawl
from storage.ledger.pages import PageFact
from storage.mirror.publication import Published
from storage.states import Cause, CrawlKind, PageOutcome, Trouble
from storage.store import Store

from .decisions.model import CrawlDecision, Fail, Fetch, Restart, Seed, Settle, Step
from .decisions.reconcile import decide_crawl, is_unchanged
from .gate import Gate
from .log_context import about
from .metrics import Metrics
from .queue import TaskQueue, message_prefix

log = logging.getLogger(__name__)

#: How many times a crawl begins again because its version, cursor or batch token was dead; then it fails.
RESTART_LIMIT = 5


class Crawler:
    """Moves crawls from state to state.

    A method returns True if the crawl is no longer open because of it. Its sync then has to be looked at.
    """

    def __init__(self, store: Store, gate: Gate, queue: TaskQueue, metrics: Metrics) -> None:
        self._store = store
        self._gate = gate
        self._queue = queue
        self._metrics = metrics

    def advance(
        self, crawl: Crawl, *, message_id: str = "", is_revival: bool = False, sends_publish: bool = True
    ) -> bool:
        """Decide what an open crawl needs next, and do it; a caller that publishes by itself sends no task for that.

        Only a failure is acted on while a message of the crawl is parked or admitted, other than the one of this id:
        a callback may run early, or twice. Example: page 7 of 300 was lost with its worker. The chord's callback
        comes all the same; the ledger lacks page 7; the decision is `Fetch(indexes=(7,))`, which is a chord of one
        page.
        """
        decision = decide_crawl(crawl, self._store.pages.facts(crawl.id, crawl.floor))
        is_under_way = self._gate.knows(crawl.uid, message_prefix(crawl), but=message_id)
        if is_under_way and not isinstance(decision, Fail):
            return False
        return self._obey(crawl, decision, is_revival=is_revival, sends_publish=sends_publish)

    def seed(self, crawl: Crawl, *, is_revival: bool = False) -> None:
        """Begin a round of the first page alone: it shows whether the ledger's pages are still current."""
        began = self._store.crawls.begin_round(crawl, is_revival=is_revival)
        if began is not None:
            self._queue.seed(began)

    def restart(self, crawl: Crawl, cause: Cause) -> bool:
        """Begin again because the crawl's version, cursor or batch token is dead at Apple: a few times at most."""
        if crawl.restarts >= RESTART_LIMIT:
            return self.fail(crawl, replace(cause, reason=f"{crawl.resource}: {cause.reason}"))
        self._restart(crawl, is_drift=False)
        return False

    def end_if_unchanged(self, crawl: Crawl, first: PageFact) -> bool:
        """End a crawl whose first page shows that the mirror is what Apple has."""
        stream = self._store.streams.get(crawl.stream_id)
        if first.outcome is not PageOutcome.STORED or not is_unchanged(crawl, first, stream.complete_version):
            return False
        if self._store.crawls.end_unchanged(crawl, first.version) is None:
            return False
        self._metrics.count("crawls", resource=crawl.resource, kind=crawl.kind, outcome="unchanged")
        return True

    def fail(self, crawl: Crawl, cause: Cause) -> bool:
        """Fail a crawl."""
        if crawl.kind is CrawlKind.SPOT and self._store.crawls.get(crawl.id).is_unfinished:
            # Before the crawl fails: otherwise its assets would be due again at once, for ever.
            self._store.counts.note_failure(crawl)
        if self._store.crawls.fail(crawl, cause) is None:
            return False
        with about(location=crawl.uid, stream=crawl.resource, crawl=crawl.id):
            log.warning("Failed (%s): %s", cause.trouble, cause.reason, extra={"advise_on": cause.error})
        self._metrics.count("crawls", resource=crawl.resource, kind=crawl.kind, outcome=f"failed-{cause.trouble}")
        return True

    def note_published(self, crawl: Crawl, published: Published, seconds: float) -> None:
        """Log and count what a publish did."""
        changes = published.changes
        counts = {"insert": changes.inserted, "update": changes.updated, "delete": changes.deleted}
        with about(location=crawl.uid, stream=crawl.resource):
            log.info("Published in %.2f s: +%d ~%d -%d, %d held.", seconds, *counts.values(), published.held)
        self._metrics.observe("publish_seconds", seconds, resource=crawl.resource)
        self._metrics.count("crawls", resource=crawl.resource, kind=crawl.kind, outcome="published")
        for op, count in counts.items():
            self._metrics.count("changes", count, resource=crawl.resource, op=op)
        if not crawl.is_consistent and crawl.kind is not CrawlKind.SPOT:
            self._metrics.count("torn", resource=crawl.resource)

    def _obey(self, crawl: Crawl, decision: CrawlDecision, *, is_revival: bool, sends_publish: bool) -> bool:
        match decision:
            case Seed():
                self.seed(crawl, is_revival=is_revival)
            case Fetch():
                self._fetch(crawl, decision, is_revival=is_revival)
            case Step(index=index):
                if not is_revival or self._store.crawls.revive(crawl) is not None:
                    self._queue.follow(crawl, index)
            case Restart():
                self._restart(crawl, is_drift=True)
            case Settle():
                return self._settle(crawl, decision, sends_publish=sends_publish)
            case Fail(reason=reason, error=error):
                return self.fail(crawl, Cause(reason=f"{crawl.resource}: {reason}", trouble=Trouble.AWAY, error=error))
        return False

    def _fetch(self, crawl: Crawl, decision: Fetch, *, is_revival: bool) -> None:
        began = self._store.crawls.begin_round(crawl, is_reread=decision.is_reread, is_revival=is_revival)
        if began is not None:
            self._metrics.count("drift", int(decision.is_reread), resource=crawl.resource)
            self._queue.round(began, decision.indexes)

    def _restart(self, crawl: Crawl, *, is_drift: bool) -> None:
        restarted = self._store.crawls.restart(crawl, is_drift=is_drift)
        if restarted is None:
            return
        self._metrics.count("drift", int(is_drift), resource=crawl.resource)
        if restarted.is_chained:
            self._queue.follow(restarted, 0)
        else:
            self._queue.seed(restarted)

    def _settle(self, crawl: Crawl, decision: Settle, *, sends_publish: bool) -> bool:
        settled = self._store.crawls.settle(
            crawl,
            is_consistent=decision.is_consistent,
            version=decision.version,
            total=decision.total,
            scopes=decision.scopes,
        )
        if settled is None:
            return False
        if sends_publish:
            self._queue.publish(crawl)
        return True
