"""The overview of an installation: one judgement of everything, with advice, for every surface."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from entrypoints.overview import look, look_closely, read_outages
from settings import read_settings
from storage.schema import streams
from storage.sealer import Sealer
from storage.states import Cause, LocationState, Trouble
from tasks.services import build, secret_keys
from tests.support.filled_store import FilledStore
from tests.support.servers import StoppableRedis

_RESOURCES = 9


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An embedded home in which nothing runs."""
    for name in ("PAGETURNER_REDIS_URL", "PAGETURNER_DATABASE_URL", "PAGETURNER_SECRET_KEYS", "PAGETURNER_APPLE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PAGETURNER_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def services(home):
    """The services of a process in it, as a door has them."""
    assert home.exists()
    built = build(read_settings())
    yield built
    built.store.database.close()


@pytest.fixture
def store(services) -> FilledStore:
    """Its store, with a location."""
    made = FilledStore(services.store.database, Sealer(secret_keys(services.settings)))
    made.add()
    return made


def test_nothing_is_known_of_nothing(services):
    """Without locations there is nothing to judge, and no scheduler is missed before there is work for one."""
    overview = look(services)
    assert overview.locations == []
    assert overview.outages == {}


def test_every_stream_is_judged(services, store):
    """Each stream of each location has its freshness and its standing."""
    [location] = look(services).locations
    assert location.location.name == store.location.name
    assert len(location.streams) == _RESOURCES
    assert {one.standing.state for one in location.streams} == {"new"}


def test_what_is_wrong_has_its_advice(services, store):
    """A token that is no good and a stream that failed each say what to do, with the name of the location."""
    stream = store.stream(store.location, "assets")
    crawl = store.crawls.get(store.open(stream).crawl_id)
    reason = "The answer has no list of assets."
    store.crawls.fail(crawl, Cause(reason=reason, trouble=Trouble.AWAY, error="BadAnswer"))
    store.locations.mark(store.location.id, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    [location] = look(services).locations
    assert location.token.words is not None
    assert "`pageturner locations rotate hq FILE`" in location.token.words
    assert any(one.sentence.startswith("hq") for one in look(services).troubles)


def test_one_age_for_all(services, store):
    """If one age is given, every stream is judged by it, whatever its interval."""
    store.publish(store.read(store.stream(store.location, "assets"), [{"adamId": "1", "pricingParam": "STDQ"}]))
    seen_at = services.store.database.now() - timedelta(minutes=20)
    with services.store.database.write() as connection:
        connection.execute(sa.update(streams).where(streams.c.seen_at.is_not(None)).values(seen_at=seen_at))

    def state(max_age: timedelta | None) -> str:
        [location] = look(services, max_age).locations
        return next(one.standing.state for one in location.streams if one.stream.resource == "assets")

    assert state(timedelta(hours=1)) == "in step"
    assert state(timedelta(minutes=15)) != "in step"


def test_what_is_under_way_is_seen_closely(services, store):
    """A close look has the progress of the crawls under way; a quick one does not ask for it."""
    store.open(store.stream(store.location, "assets"))
    [quick] = look(services).locations
    [close] = look_closely(services).locations
    assert [one.stream.resource for one in quick.streams if one.reading is not None] == []
    assert [one.stream.resource for one in close.streams if one.reading is not None] == ["assets"]


def test_no_worker_reports_no_outage(home):
    """In an embedded home without a worker nobody can report an outage, and no server is asked."""
    assert read_outages(read_settings()) == {}
    assert not (home / "valkey.sock").exists()


def test_the_board_is_read_over_one_connection(home, monkeypatch):
    """Whoever watches reads the board again and again: over one connection, and over a new one once Redis was away."""
    folder = home / "redis"
    folder.mkdir()
    server = StoppableRedis(folder)
    server.start()
    try:
        monkeypatch.setenv("PAGETURNER_REDIS_URL", server.url)
        monkeypatch.setenv("PAGETURNER_DATABASE_URL", f"sqlite:///{home}/mirror.db")
        settings = read_settings()
        assert read_outages(settings) == {}
        before = connections_of(server)
        assert [read_outages(settings) for _ in range(5)] == [{}] * 5
        assert connections_of(server) == before + 1  # the one that counts them
        server.kill()
        assert list(read_outages(settings)) == ["Redis"]
        server.start()
        assert read_outages(settings) == {}
    finally:
        server.stop()


def connections_of(server: StoppableRedis) -> int:
    """Count the connections that a server was ever asked for."""
    with server.client() as client:
        stats: Any = client.info("stats")
        return int(stats["total_connections_received"])
