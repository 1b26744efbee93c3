"""The metrics that Prometheus scrapes, read from the database and Redis at each scrape."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from apple.resources import RESOURCES
from orchestration.decisions.freshness import Freshness
from orchestration.decisions.overview import Overview
from orchestration.metrics import BUCKETS, Count
from storage.errors import StorageError
from storage.states import CrawlKind

from ..overview import look

if TYPE_CHECKING:
    from tasks.services import Services

#: The counters of processes: name, labels and description.
COUNTERS = {
    "pages": (("resource", "outcome"), "Pages that Apple answered."),
    "records": (("resource",), "Records on these pages."),
    "errors": (("resource", "error"), "Answers that were no page: each is requested again, or ends its crawl."),
    "drift": (("resource",), "How many times the data changed while they were read."),
    "torn": (("resource",), "Torn crawls: they deleted nothing."),
    "changes": (("resource", "op"), "Changes of the mirror."),
    "crawls": (("resource", "kind", "outcome"), "Crawls that ended."),
    "notices": (("result",), "Requests to the receiver."),
    "deliveries": (("hook", "outcome"), "Deliveries to hooks: taken, or failed (each is tried again)."),
    "messages": (("channel", "outcome"), "Messages to people: sent, or failed (each is tried again)."),
    "names": (("outcome",), "Apps looked up by name: found, missed (that store has none), or failed (no answer)."),
}
DURATIONS = {
    "page_seconds": (("resource",), "From the request of a page to its last byte."),
    "permit_seconds": (("resource",), "From a task's start to its permit: a worker that waits for Apple's limit."),
    "publish_seconds": (("resource",), "From the first comparison to the commit."),
}

#: Counters that exist before the first event: `rate` in an alarm does not see a counter appear.
_ZEROS: dict[str, tuple[tuple[str, ...], ...]] = {
    "crawls": tuple((resource, kind, "failed-bug") for resource in RESOURCES for kind in CrawlKind),
    "torn": tuple((resource,) for resource in RESOURCES),
    "errors": tuple((resource, "SlowDown") for resource in RESOURCES),
    "notices": (("kept",), ("not kept",), ("unauthorized",), ("too many requests",)),
}

_PLACE = ("location", "uid")
_STREAM = (*_PLACE, "resource")

#: What stands at the moment: name, labels and description.
GAUGES: dict[str, tuple[tuple[str, ...], str]] = {
    "up": (("part",), "Whether a part answers."),
    "queue_messages": (("queue",), "Messages that wait for a worker."),
    "gate_in_flight": (_PLACE, "Requests at Apple now."),
    "gate_parked": (_PLACE, "Messages that wait at the gate."),
    "gate_admitted": (_PLACE, "Messages that were let through."),
    "gate_shut_seconds": (_PLACE, "How long it stays shut."),
    "alarm": ((), "0 OK, 1 warning, 2 critical, as `status --check` has it."),
    "oldest_due_seconds": ((), "How long the oldest due stream has waited for its crawl."),
    "round_timestamp_seconds": (("round",), "When each chore of the scheduler last ran."),
    "notices_unhandled": ((), "Notices that are not handled yet."),
    "notices_oldest_seconds": ((), "The age of the oldest notice that is not handled."),
    "stream_last_success_timestamp_seconds": (_STREAM, "When the last crawl was opened that left the mirror in step."),
    "stream_records": (_STREAM, "Records in the mirror."),
    "stream_failures": (_STREAM, "Failures in a row."),
    "stream_held_deletes": (_STREAM, "Deletes that are held."),
    "stream_interval_seconds": (_STREAM, "How often the stream is due."),
    "stream_late": (_STREAM, "0 in step, 1 late, 2 failing, as `status` has it."),
    "stream_state": ((*_STREAM, "state"), "1 for the present state of the stream, as `status` has it."),
    "location_state": ((*_PLACE, "state"), "1 for the present state of the location's token."),
    "token_expiry_timestamp_seconds": (_PLACE, "When a token ends."),
}


def described_metrics() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield the name, the labels and the description of every metric."""
    for name, (labels, words) in GAUGES.items():
        yield f"pageturner_{name}", labels, words
    for name, (labels, words) in COUNTERS.items():
        yield f"pageturner_{name}_total", labels, words
    for name, (labels, words) in DURATIONS.items():
        yield f"pageturner_{name}", labels, f"{words} A histogram, in seconds."


def _gauge(name: str, value: float | None = None) -> GaugeMetricFamily:
    labels, words = GAUGES[name]
    return GaugeMetricFamily(f"pageturner_{name}", words, value, labels or None)


class MetricsCollector(Collector):
    """Collects the metrics of an installation."""

    def __init__(self, services: "Callable[[], Services | None]", depths: Callable[[], dict[str, int]]) -> None:
        self._find = services
        self._depths = depths

    def collect(self) -> Iterator[Metric]:
        """Return all metrics; a server that does not answer is reported as down."""
        up = _gauge("up")
        services = self._find()
        for part, read in (("redis", _of_redis), ("database", _of_database), ("broker", self._of_broker)):
            try:
                metrics = [] if services is None else list(read(services))
            except (RedisError, StorageError):
                metrics = []
            yield from metrics
            up.add_metric([part], float(bool(metrics)))
        yield up
        if services is not None:
            with suppress(RedisError, StorageError):  # whose names are in the one, and whose state is in the other
                yield from list(_of_gates(services))

    def _of_broker(self, _: "Services") -> Iterator[Metric]:
        depths = self._depths()
        if not depths:
            return
        messages = _gauge("queue_messages")
        for queue, count in depths.items():
            messages.add_metric([queue], count)
        yield messages


def _of_redis(services: "Services") -> Iterator[Metric]:
    counts = services.metrics_store.read()
    for name, (labels, words) in COUNTERS.items():
        counter = CounterMetricFamily(f"pageturner_{name}", words, labels=labels)
        values = dict.fromkeys(_ZEROS.get(name, ()), 0.0)
        values |= {
            tuple(one.labels.get(label, "") for label in labels): one.value for one in counts if one.name == name
        }
        for given, value in values.items():
            counter.add_metric(given, value)
        yield counter
    for name, (labels, words) in DURATIONS.items():
        yield _histogram(name, labels, words, counts)


def _of_gates(services: "Services") -> Iterator[Metric]:
    gauges = {
        "in_flight": _gauge("gate_in_flight"),
        "waiting": _gauge("gate_parked"),
        "admitted": _gauge("gate_admitted"),
        "shut_seconds": _gauge("gate_shut_seconds"),
    }
    for location in services.store.locations.being_synced():
        sight = services.gate.look(location.uid)
        for name, gauge in gauges.items():
            gauge.add_metric([location.name, location.uid], getattr(sight, name))
    yield from gauges.values()


def _of_database(services: "Services") -> Iterator[Metric]:
    overview = look(services)
    now = overview.now
    yield _gauge("alarm", overview.alarm)
    yield from _of_tokens(overview)
    yield from _of_streams(overview)
    due = services.store.streams.oldest_due(now)
    late = 0.0 if due is None else max(0.0, (now - due).total_seconds())
    yield _gauge("oldest_due_seconds", late)
    rounds = _gauge("round_timestamp_seconds")
    for name, moment in services.store.chores.last().items():
        rounds.add_metric([name], moment.timestamp())
    yield rounds
    unhandled, oldest = services.store.notices.unhandled()
    yield _gauge("notices_unhandled", unhandled)
    waits = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    yield _gauge("notices_oldest_seconds", waits)


def _of_streams(overview: Overview) -> Iterator[Metric]:
    success = _gauge("stream_last_success_timestamp_seconds")
    records = _gauge("stream_records")
    failures = _gauge("stream_failures")
    held = _gauge("stream_held_deletes")
    every = _gauge("stream_interval_seconds")
    late = _gauge("stream_late")
    state = _gauge("stream_state")
    for one in overview.locations:
        for view in one.streams:
            verdict, stream = view.verdict, view.stream
            names = [one.location.name, one.location.uid, stream.resource]
            state.add_metric([*names, view.standing.state], 1)
            success.add_metric(names, stream.seen_at.timestamp() if stream.seen_at else 0.0)
            records.add_metric(names, stream.records)
            failures.add_metric(names, stream.failures)
            held.add_metric(names, stream.held_deletes or 0)
            every.add_metric(names, verdict.limit.total_seconds())
            late.add_metric(names, list(Freshness).index(verdict.freshness))
    yield from (state, success, records, failures, held, every, late)


def _of_tokens(overview: Overview) -> Iterator[Metric]:
    state = _gauge("location_state")
    expires = _gauge("token_expiry_timestamp_seconds")
    for view in overview.locations:
        one = view.location
        state.add_metric([one.name, one.uid, view.token.state], 1)
        expires.add_metric([one.name, one.uid], one.token_expires.timestamp())
    yield from (state, expires)


def _histogram(name: str, labels: tuple[str, ...], words: str, counts: list[Count]) -> Metric:
    """Return the cumulative buckets that Prometheus wants: each counts all that is below its bound."""
    histogram = HistogramMetricFamily(f"pageturner_{name}", words, labels=labels)
    mine = [one for one in counts if one.name in {f"{name}_bucket", f"{name}_sum"}]
    for values in sorted({tuple(one.labels.get(label, "") for label in labels) for one in mine}):
        here = [one for one in mine if tuple(one.labels.get(label, "") for label in labels) == values]
        found = {one.labels["le"]: one.value for one in here if "le" in one.labels}
        total, buckets = 0.0, []
        for bound in (*(f"{bucket:g}" for bucket in BUCKETS), "+Inf"):
            total += found.get(bound, 0.0)
            buckets.append((bound, total))
        seconds = sum(one.value for one in here if "le" not in one.labels)
        histogram.add_metric(list(values), buckets=buckets, sum_value=seconds)
    return histogram
