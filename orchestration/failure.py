"""Failing: a crawl ends without having come to its end, and everybody is told."""

import logging

from storage.ledger.crawls import Crawl, Crawls
from storage.mirror.counts import Counts
from storage.schema import CrawlKind

from .decisions.retry import Trouble
from .log_context import about
from .metrics import Metrics

log = logging.getLogger(__name__)


class Failing:
    """Fails crawls."""

    def __init__(self, crawls: Crawls, counts: Counts, tally: Metrics) -> None:
        self._crawls = crawls
        self._counts = counts
        self._tally = tally

    def fail(self, crawl: Crawl, reason: str, trouble: Trouble) -> bool:
        """Fail a crawl, once: true for the one who did."""
        if crawl.kind is CrawlKind.SPOT and self._crawls.get(crawl.id).is_unfinished:
            self._counts.note_failure(crawl)  # first: else its assets would be looked into again at once, for ever
        if not self._crawls.fail(crawl, reason, trouble):
            return False
        with about(location=crawl.uid, stream=crawl.resource, crawl=crawl.id):
            log.warning("Failed (%s): %s", trouble, reason)
        self._tally.count("crawls", resource=crawl.resource, kind=crawl.kind, outcome=f"failed-{trouble}")
        return True
