"""Servers for the whole run, and a fresh corner of each for every test."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis

from orchestration.gate import Gate
from orchestration.gate.redis_memory import RedisMemory
from storage.database import Database, open_database

from .support.cluster import Cluster, running_cluster
from .support.forks import close_forks
from .support.processes import Apple, running_simulator
from .support.servers import drop_database, make_database, open_gates, postgresql_server, redis_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server of our own."""
    with redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL server of our own."""
    with postgresql_server() as url:
        yield url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """An empty Redis."""
    with Redis.from_url(redis_url, socket_timeout=None) as client:  # by default it gives up after five seconds
        client.flushall()
        yield client
        client.connection_pool.disconnect()


@pytest.fixture
def gate(redis: Redis) -> Gate:
    """A gate whose Redis remembers all there is to remember: nothing."""
    open_gates(redis)
    return Gate(RedisMemory(redis), longest_request=60.0)


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    name = f"test{next(_numbers)}"
    yield make_database(postgresql_url, name)
    drop_database(postgresql_url, name)


@pytest.fixture(scope="session")
def template(postgresql_url: str) -> str:
    """The name of a database with its tables, to be copied."""
    open_database(make_database(postgresql_url, "template")).close()
    return "template"


@pytest.fixture
def copied_database(postgresql_url: str, template: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with its tables."""
    name = f"test{next(_numbers)}"
    yield make_database(postgresql_url, name, template)
    drop_database(postgresql_url, name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with its tables: the same tests over both kinds."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'test.db'}"
    else:
        url = request.getfixturevalue("copied_database")
    opened = open_database(url)
    yield opened
    opened.close()


@pytest.fixture
def simulate() -> Iterator[Callable[..., Apple]]:
    """Start simulators; they end with the test."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(running_simulator(*options))


@pytest.fixture(scope="session", autouse=True)
def _forks() -> Iterator[None]:
    """End the process that forks commands with the session."""
    yield
    close_forks()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Everything that production has: PostgreSQL, Redis, two workers, and a simulator of many locations."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), locations=120) as running:
        yield running
