"""Intake: stores notices, many in one transaction, and then queues their syncs, if a broker answers."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from apple.notices import Notice
from orchestration.metrics import Metrics, MetricsStore

log = logging.getLogger(__name__)

#: How many notices one transaction stores: those that arrived during the one before.
_AT_ONCE = 500

#: How often counts are sent to Redis.
_COUNT_SECONDS = 5.0

#: How many notices may wait to be stored: Apple sends those again that are refused.
PENDING_LIMIT = 5_000


class Full(Exception):
    """Too many notices wait to be written."""


@dataclass(frozen=True)
class _Waiting:
    notice: Notice
    kept: "asyncio.Future[None]"


class Intake:
    """Stores notices in one thread and queues syncs in another, so that a broker that is down delays no answer."""

    def __init__(
        self,
        store: Callable[[Sequence[Notice]], int],
        queue_sync: Callable[[str], None],
        is_news: Callable[[Notice], bool],
        metrics: Metrics,
        metrics_store: MetricsStore,
    ) -> None:
        self._store = store
        self._queue_sync = queue_sync
        self._is_news = is_news
        self._metrics = metrics
        self._metrics_store = metrics_store
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._unqueued: set[str] = set()
        self._news = threading.Condition()
        self._is_over = False
        self._threads = [
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True)
            for work in (self._keep_all, self._queue_all)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Store what waits, and end."""
        self._waiting.put(None)
        self._threads[0].join()
        with self._news:
            self._is_over = True
            self._news.notify()

    async def keep(self, notice: Notice) -> None:
        """Store a notice: return once it is in the database, or raise the error."""
        if self._waiting.qsize() >= PENDING_LIMIT:
            raise Full
        kept = asyncio.get_running_loop().create_future()
        self._waiting.put(_Waiting(notice, kept))
        await kept

    def _keep_all(self) -> None:
        while (first := self._waiting.get()) is not None:
            some = [first]
            while len(some) < _AT_ONCE and not self._waiting.empty():
                one = self._waiting.get()
                if one is None:
                    self._waiting.put(None)
                    break
                some.append(one)
            self._keep_some(some)

    def _keep_some(self, some: list[_Waiting]) -> None:
        problem: Exception | None = None
        try:
            new = self._store([one.notice for one in some])
            self._metrics.count("notices", new, result="kept")
            self._metrics.count("notices", len(some) - new, result="repeated")
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait get the error
            problem = error
        loop = some[0].kept.get_loop()
        loop.call_soon_threadsafe(_answer, some, problem)
        if problem is None:
            with self._news:
                self._unqueued |= {one.notice.uid for one in some if self._is_news(one.notice)}
                self._news.notify()

    def _queue_all(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._unqueued or self._is_over, _COUNT_SECONDS)
                if self._is_over:
                    return
                uids, self._unqueued = self._unqueued, set()
            for uid in sorted(uids):
                self._queue_one(uid)
            with contextlib.suppress(RedisError):
                self._metrics_store.add(self._metrics)

    def _queue_one(self, uid: str) -> None:
        try:
            self._queue_sync(uid)
        except Exception as error:  # noqa: BLE001 - whatever it is: the notice is kept, and the scheduler finds it
            log.warning(
                "No sync could be queued for a notice (%s): the scheduler queues it later.", type(error).__name__
            )


def _answer(some: list[_Waiting], problem: Exception | None) -> None:
    for one in some:
        if one.kept.done():  # the caller no longer waits
            continue
        if problem is None:
            one.kept.set_result(None)
        else:
            one.kept.set_exception(problem)
