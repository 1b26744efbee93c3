"""What Prometheus scrapes: every number with its labels, and what is down."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from redis import Redis

from entrypoints.web.metrics import COUNTERS, DURATIONS, MetricsCollector
from orchestration.metrics import BUCKETS, Metrics
from settings import read_settings
from storage.closings import Closings, Shut
from storage.states import LocationState
from tasks.services import Services, build
from tests.support.filled_store import FilledStore
from tests.support.proxy import proxied
from tests.support.servers import open_gates


@pytest.fixture
def services(redis: Redis, redis_url: str, copied_database: str, monkeypatch, tmp_path):
    """The services of a process, over servers that answer, with one location."""
    monkeypatch.setenv("PAGETURNER_HOME", str(tmp_path))
    monkeypatch.setenv("PAGETURNER_REDIS_URL", redis_url)
    monkeypatch.setenv("PAGETURNER_DATABASE_URL", copied_database)
    monkeypatch.setenv("PAGETURNER_SECRET_KEYS", "A" * 43 + "=")
    open_gates(redis)
    made = build(read_settings())
    FilledStore(made.store.database, made.store.locations._sealer).add()
    yield made
    made.store.database.close()


def scrape(services: Services | None, depths: dict[str, int] | None = None) -> list[str]:
    """Scrape, and return the lines that are no comment."""
    registry = CollectorRegistry()
    registry.register(MetricsCollector(lambda: services, lambda: {"page": 3} if depths is None else depths))
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def values(lines: list[str], name: str) -> dict[str, float]:
    """Return the numbers of a metric by their labels."""
    mine = [line.rpartition(" ") for line in lines if line.split("{")[0].split(" ")[0] == name]
    return {labels.removeprefix(name): float(value) for labels, _, value in mine}


def test_everything_is_up(services):
    """Each part that answers is up, and the queues have their lengths."""
    lines = scrape(services)
    assert values(lines, "pageturner_up") == {
        '{part="redis"}': 1.0,
        '{part="database"}': 1.0,
        '{part="broker"}': 1.0,
    }
    assert values(lines, "pageturner_queue_messages") == {'{queue="page"}': 3.0}


def test_before_the_services_are_there():
    """While nothing is built, every part is down, and the scrape succeeds all the same."""
    assert set(values(scrape(None), "pageturner_up").values()) == {0.0}


def test_a_broker_that_is_away(services):
    """Without queues the broker is down, and the rest is not."""
    up = values(scrape(services, {}), "pageturner_up")
    assert (up['{part="broker"}'], up['{part="database"}']) == (0.0, 1.0)


@pytest.mark.usefixtures("services")
def test_a_database_that_is_away(copied_database, monkeypatch):
    """Redis is up all the same, and so are its counters."""
    with proxied(copied_database) as (proxy, url):
        monkeypatch.setenv("PAGETURNER_DATABASE_URL", url)
        made = build(read_settings())
        proxy.refuse()
        lines = scrape(made)
        made.store.database.close()
    up = values(lines, "pageturner_up")
    assert (up['{part="redis"}'], up['{part="database"}']) == (1.0, 0.0)
    assert values(lines, "pageturner_torn_total")


def test_counters_are_added_up(services):
    """What processes counted has its name, its labels and its sum."""
    metrics = Metrics()
    metrics.count("pages", 3, resource="assets", outcome="stored")
    metrics.count("changes", 7, resource="users", op="insert")
    services.metrics_store.add(metrics)
    lines = scrape(services)
    assert values(lines, "pageturner_pages_total")['{outcome="stored",resource="assets"}'] == 3
    assert values(lines, "pageturner_changes_total")['{op="insert",resource="users"}'] == 7


def test_a_counter_is_there_before_its_first_event(services):
    """An alarm does not see the first of what begins with one: such counters begin with nothing."""
    lines = scrape(services)
    assert values(lines, "pageturner_torn_total")['{resource="assets"}'] == 0
    assert values(lines, "pageturner_notices_total")['{result="unauthorized"}'] == 0
    assert values(lines, "pageturner_crawls_total")['{kind="full",outcome="failed-bug",resource="users"}'] == 0


def test_a_histogram_is_cumulative(services):
    """Each bucket counts all that was quicker than its bound."""
    metrics = Metrics()
    for seconds in (0.01, 0.2, 0.2, 7.0, 100.0):
        metrics.observe("page_seconds", seconds, resource="assets")
    services.metrics_store.add(metrics)
    lines = scrape(services)
    buckets = values(lines, "pageturner_page_seconds_bucket")
    counts = [buckets[f'{{le="{bound:g}",resource="assets"}}'] for bound in BUCKETS]
    assert counts == sorted(counts)
    assert (counts[0], counts[2], counts[-1]) == (1, 3, 4)
    assert buckets['{le="+Inf",resource="assets"}'] == 5
    assert values(lines, "pageturner_page_seconds_sum")['{resource="assets"}'] == pytest.approx(107.41)


def test_each_stream_has_its_numbers(services):
    """A stream has its state, age, records, failures and interval, under the location's name."""
    lines = scrape(services)
    labels = '{location="hq",resource="assets",uid="1"}'
    assert values(lines, "pageturner_stream_records")[labels] == 0
    assert values(lines, "pageturner_stream_interval_seconds")[labels] > 0
    assert values(lines, "pageturner_stream_last_success_timestamp_seconds")[labels] == 0
    states = values(lines, "pageturner_stream_state")
    assert states['{location="hq",resource="assets",state="new",uid="1"}'] == 1


def test_a_token_has_its_state_and_its_end(services):
    """A location has the state of its token, and when that ends."""
    services.store.locations.mark(1, LocationState.REVOKED, "no")
    lines = scrape(services)
    assert values(lines, "pageturner_location_state") == {'{location="hq",state="revoked",uid="1"}': 1.0}
    assert values(lines, "pageturner_token_expiry_timestamp_seconds")['{location="hq",uid="1"}'] > 1.7e9
    assert values(lines, "pageturner_alarm") == {"": 2.0}


def test_a_gate_is_shown_while_its_location_is_synced(services):
    """Gates are looked at for locations that are read just now: thousands of others cost nothing."""
    assert values(scrape(services), "pageturner_gate_in_flight") == {}
    filled = FilledStore(services.store.database, services.store.locations._sealer)
    filled.open(filled.stream(filled.location, "assets"))
    Closings(services.store.database).keep(["1"], Shut(seconds=60.0, step=1, why="too many calls"))
    services.gate.shut("1", 60.0)
    lines = scrape(services)
    labels = '{location="hq",uid="1"}'
    assert values(lines, "pageturner_gate_in_flight")[labels] == 0
    assert values(lines, "pageturner_gate_shut_seconds")[labels] > 50


def test_chores_and_notices(services):
    """When each chore last ran, and how many notices wait, are there for alarms."""
    services.store.chores.claim("tick", timedelta(minutes=1))
    lines = scrape(services)
    assert values(lines, "pageturner_round_timestamp_seconds")['{round="tick"}'] > 1.7e9
    assert values(lines, "pageturner_notices_unhandled") == {"": 0.0}
    assert values(lines, "pageturner_notices_oldest_seconds") == {"": 0.0}
    assert values(lines, "pageturner_oldest_due_seconds")[""] >= 0


def test_every_counter_is_described():
    """Each counter and duration has labels and a description, and no name twice."""
    assert not set(COUNTERS) & set(DURATIONS)
    for labels, words in (*COUNTERS.values(), *DURATIONS.values()):
        assert labels
        assert words.endswith(".")
