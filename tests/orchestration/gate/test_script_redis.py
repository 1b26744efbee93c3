"""The client for scripts: a connection a thread, and what happens when it breaks."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis.exceptions import RedisError, ResponseError

from orchestration.gate.script_redis import ScriptRedis
from tests.support.proxy import proxied
from tests.support.servers import StoppableRedis, redis_server
from tests.support.site import await_true

_COUNT = "return redis.call('INCR', KEYS[1])"


@pytest.fixture
def server(tmp_path):
    """A server that can be stopped."""
    made = StoppableRedis(tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_thread_keeps_its_connection():
    """Scripts of one thread take one connection, and those of another thread another."""
    with redis_server() as url, ScriptRedis.from_url(url) as client:
        script = client.register_script("return 1")
        client.script_load(script.script)
        before = opened(client)
        for _ in range(5):
            script()
        assert opened(client) == before + 1
        with ThreadPoolExecutor(1) as pool:
            for _ in range(5):
                pool.submit(script).result()
        assert opened(client) == before + 2


def test_a_connection_ends_with_its_thread():
    """Threads that are over leave no connections, before any garbage is collected, and use up no number of them."""
    with redis_server() as url, ScriptRedis.from_url(url, max_connections=3) as client:
        script = client.register_script("return 1")
        script()
        before, there = opened(client), connected(client)
        gc.disable()
        try:
            for _ in range(10):
                thread = threading.Thread(target=script)
                thread.start()
                thread.join()
        finally:
            gc.enable()
        assert opened(client) == before + 10
        await_true(lambda: connected(client) == there, "the connections of the threads end")


def test_a_server_that_was_restarted(server):
    """A script after the server was restarted runs: its connection was gone, and so was the script."""
    with ScriptRedis.from_url(server.url) as client:
        script = client.register_script(_COUNT)
        assert script(keys=["count"]) == 1
        server.kill()
        server.start()
        assert [script(keys=["count"]) for _ in range(3)] == [2, 3, 4]


def test_an_error_of_a_script(server):
    """An error that a script returns is raised, and the next script gets its own answer."""
    with ScriptRedis.from_url(server.url) as client:
        with pytest.raises(ResponseError, match="no such luck"):
            client.register_script("return redis.error_reply('ERR no such luck')")()
        assert client.register_script(_COUNT)(keys=["count"]) == 1


def test_an_answer_that_was_lost(server):
    """A script whose answer is lost is not sent again: it has run."""
    with proxied(server.url) as (proxy, url), ScriptRedis.from_url(url) as client:
        script = client.register_script(_COUNT)
        script(keys=["count"])
        proxy.lose_next()
        with pytest.raises(RedisError):
            script(keys=["count"])
        assert script(keys=["count"]) == 3


@pytest.mark.parametrize("place", ["send_command", "read_response"])
def test_a_script_that_is_broken_off(server, place):
    """A script that is interrupted leaves no answer for the next."""

    class Broken(BaseException):
        pass

    with ScriptRedis.from_url(server.url) as client:
        script = client.register_script(_COUNT)
        script(keys=["count"])
        connection: Any = client._lines.line.connection
        act = getattr(connection, place)

        def break_off(*args: Any) -> None:
            setattr(connection, place, act)
            if place == "send_command":
                act(*args)
            raise Broken

        setattr(connection, place, break_off)
        with pytest.raises(Broken):
            script(keys=["count"])
        assert client.register_script("return 'mine'")() == b"mine"


def opened(client: ScriptRedis) -> int:
    """Count the connections that the server ever had."""
    stats: Any = client.info("stats")
    return int(stats["total_connections_received"])


def connected(client: ScriptRedis) -> int:
    """Count the connections of the server."""
    return len(client.client_list())
