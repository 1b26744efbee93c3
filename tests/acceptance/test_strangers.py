"""The receiver among strangers: with few rights and no keys, heads without end, and a database that falls silent."""

import contextlib
import os
import socket
import subprocess
import time

import psutil
import psycopg
import pytest
from redis import Redis

from storage.database import open_database
from tests.support.cluster import bare_cluster
from tests.support.filled_store import make_store
from tests.support.grants import granted
from tests.support.notifier import make_notice, send
from tests.support.processes import COMMAND, bare_environment, running_workers
from tests.support.proxy import proxied
from tests.support.servers import free_port, open_gates, redis_server
from tests.support.site import await_true

from .test_crawl import assert_in_step
from .test_doors import get

SECRET = "a-secret-of-the-service"


@contextlib.contextmanager
def receiving(database_url, redis_url, home):
    """Run a receiver without keys for the length of the block, and yield its port and process."""
    port = free_port()
    env = bare_environment(home)
    env |= {"PAGETURNER_DATABASE_URL": database_url, "PAGETURNER_REDIS_URL": redis_url}
    env |= {"PAGETURNER_WEBHOOK_SECRET": SECRET}
    with (home / "receiver.log").open("wb") as log:
        child = subprocess.Popen([COMMAND, "webhook", "--port", str(port)], env=env, stdout=log, stderr=log)
    try:
        await_true(lambda: get(port, "readyz")[0] == 200, "the receiver is ready")
        yield port, child
    finally:
        child.terminate()
        child.wait(30)


@pytest.fixture
def database_url(copied_database):
    """A database that keeps a location."""
    database = open_database(copied_database)
    make_store(database).add()
    database.close()
    return copied_database


@pytest.fixture
def gates(redis: Redis, redis_url: str) -> str:
    """A Redis that knows all there is."""
    open_gates(redis)
    return redis_url


def test_a_role_that_may_do_nothing_else(database_url, gates, tmp_path):
    """The receiver keeps notices with the grants that are documented, and without the keys that open tokens."""
    with granted(database_url, "receiver") as limited:
        with receiving(limited, gates, tmp_path) as (port, _):
            url = f"http://127.0.0.1:{port}/notices"
            assert send(url, make_notice("1"), SECRET).status == 200
            assert send(url, make_notice("1"), "wrong").status == 401
        with psycopg.connect(limited) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT sealed_token FROM locations")


def test_metrics_only_read(database_url, gates, tmp_path):
    """The metrics are measured with the grants that are documented, which let nothing be written, and without keys."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PAGETURNER_")}
    env |= {"PAGETURNER_REDIS_URL": gates, "PAGETURNER_HOME": str(tmp_path)}
    with granted(database_url, "metrics") as limited:
        port = free_port()
        command = [COMMAND, "metrics", "--port", str(port)]
        door = subprocess.Popen(command, env=env | {"PAGETURNER_DATABASE_URL": limited}, stderr=subprocess.DEVNULL)
        try:
            await_true(lambda: get(port, "readyz")[0] == 200, "the metrics answer")
            measured = get(port, "metrics")[1]
            assert 'pageturner_up{part="database"} 1.0' in measured
            assert "pageturner_alarm 0.0" in measured
        finally:
            door.terminate()
            door.wait(30)


def test_a_worker_may_not_change_the_schema(tmp_path):
    """A sync is done by workers with the grants that are documented."""
    size = ("--assignments", "200", "--users", "20", "--assets", "5", "--page-size", "50")
    with redis_server() as redis, bare_cluster(tmp_path, *size, redis=redis) as cluster:
        with cluster.database() as database:
            assert database.is_postgresql
        with granted(cluster.env["PAGETURNER_DATABASE_URL"], "worker") as limited:
            env = cluster.env | {"PAGETURNER_DATABASE_URL": limited}
            place = cluster.add()
            with running_workers(env, processes_=1, log=tmp_path / "workers.log"):
                done = cluster.run("sync", place.name, PAGETURNER_DATABASE_URL=limited)
                assert done.returncode == 0, done.stderr
            assert_in_step(place)


def test_a_database_that_falls_silent(database_url, gates, tmp_path):
    """While the database says nothing the receiver answers 503, says that it is not ready, and then goes on."""
    with proxied(database_url) as (proxy, url), receiving(url, gates, tmp_path) as (port, _):
        notices = f"http://127.0.0.1:{port}/notices"
        assert send(notices, make_notice("1"), SECRET).status == 200
        proxy.fall_silent()
        begun = time.monotonic()
        assert send(notices, make_notice("1"), SECRET).status == 503
        assert send(notices, make_notice("1"), "wrong").status == 503
        assert time.monotonic() - begun < 40
        await_true(lambda: get(port, "readyz")[0] == 503, "it says that it is not ready")
        assert get(port, "healthz")[0] == 200
        proxy.speak()
        await_true(lambda: send(notices, make_notice("1"), SECRET).status == 200, "it goes on", seconds=60)
        await_true(lambda: get(port, "readyz")[0] == 200, "it says that it is ready again")


def test_a_head_without_end(database_url, gates, tmp_path):
    """A head that does not end is cut off long before it takes memory, and others are answered meanwhile."""
    with receiving(database_url, gates, tmp_path) as (port, child):
        before = psutil.Process(child.pid).memory_info().rss
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port)) as stranger, contextlib.suppress(OSError):
                stranger.sendall(b"POST /notices HTTP/1.1\r\n")
                for _ in range(2_000):
                    stranger.sendall(b"a: b\r\n" * 1_000)
                pytest.fail("six megabytes of head were read")
        assert send(f"http://127.0.0.1:{port}/notices", make_notice("1"), SECRET).status == 200
        assert psutil.Process(child.pid).memory_info().rss - before < 50_000_000


def test_a_body_that_drips_after_a_refusal(database_url, gates, tmp_path):
    """Whoever is refused keeps no connection, whatever he goes on sending."""
    with receiving(database_url, gates, tmp_path) as (port, _):
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.settimeout(20)
            head = b"POST /notices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: 900000\r\n\r\n"
            stranger.sendall(head)
            answer = b""
            while part := stranger.recv(65_536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"connection: close" in answer.lower()


#: The head of a request whose body comes in pieces.
PIECES = b"GET %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("path", [b"/healthz", b"/nowhere"])
def test_a_body_that_drips_behind_an_answer(database_url, gates, tmp_path, path):
    """Where everybody is answered, too, a request that does not end keeps no connection."""
    with (
        receiving(database_url, gates, tmp_path) as (port, _),
        socket.create_connection(("127.0.0.1", port)) as stranger,
    ):
        stranger.sendall(PIECES % path)
        assert stranger.recv(65_536).startswith(b"HTTP/1.1 ")
        stranger.settimeout(0.2)
        is_open, until = True, time.monotonic() + 30
        while is_open:
            assert time.monotonic() < until, "it goes on for ever"
            try:
                stranger.sendall(b"1\r\na\r\n")
                is_open = stranger.recv(65_536) != b""
            except TimeoutError:
                continue
            except ConnectionError:
                is_open = False


def test_trailers_without_end(database_url, gates, tmp_path):
    """What comes behind a body takes no memory, and is cut off."""
    with receiving(database_url, gates, tmp_path) as (port, child):
        before = psutil.Process(child.pid).memory_info().rss
        with socket.create_connection(("127.0.0.1", port)) as stranger, contextlib.suppress(ConnectionError):
            stranger.sendall(PIECES % b"/healthz" + b"0\r\n")
            for _ in range(400):
                stranger.sendall(b"a: " + b"b" * 250_000 + b"\r\n")
            pytest.fail("a hundred megabytes of trailers were read")
        assert psutil.Process(child.pid).memory_info().rss - before < 50_000_000
