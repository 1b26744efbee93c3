"""Sessions: one a thread, with keep-alive, and nothing of one location in the requests of another."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from apple.deadline import TimedCall
from apple.transport import Sessions, announcing


class Server:
    """A server that sets a cookie, and remembers what it was asked and over which connection."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.ports: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(dict(self.headers))
                outer.ports.append(self.client_address[1])
                self.send_response(200)
                self.send_header("Set-Cookie", "session=of-one-location")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server."""
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    """The sessions of a client."""
    made = Sessions()
    yield made
    made.drop()


def call(seconds: float = 30.0) -> TimedCall:
    """Make a call that may take this long."""
    return TimedCall(ends=time.monotonic() + seconds)


def test_a_thread_has_one_session(sessions):
    """A thread gets the same session each time, and two threads never share one."""
    mine, others = sessions.mine(), []
    assert sessions.mine() is mine

    def work() -> None:
        others.append(sessions.mine())
        sessions.drop()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert others[0] is not mine
    assert sessions.mine() is mine


def test_a_dropped_session_is_not_used_again(sessions):
    """After a call was cut off its session is closed, and the next call gets a new one; dropping none does nothing."""
    first = sessions.mine()
    sessions.drop()
    sessions.drop()
    assert sessions.mine() is not first


def test_a_connection_is_kept(sessions, server):
    """The requests of a thread travel over one connection, until its session is dropped."""
    for _ in range(3):
        sessions.mine().get(server.url)
    sessions.drop()
    sessions.mine().get(server.url)
    assert len(set(server.ports[:3])) == 1
    assert server.ports[3] != server.ports[0]


def test_cookies_are_not_kept(sessions, server):
    """A thread serves many locations: a cookie that the answer to one of them set is in no later request."""
    for _ in range(2):
        sessions.mine().get(server.url)
    assert "Cookie" not in server.asked[1]


def test_a_request_says_who_asks(sessions, server):
    """Every request names the program, wants JSON, and takes it compressed."""
    sessions.mine().get(server.url)
    asked = server.asked[0]
    assert (asked["User-Agent"], asked["Accept"], asked["Accept-Encoding"]) == (
        "Pageturner",
        "application/json",
        "gzip",
    )


def test_a_call_knows_its_connection(sessions, server):
    """While a call is announced, its connection and its socket are known, so that its deadline can close them."""
    announced, later = call(), call()
    with announcing(announced):
        sessions.mine().get(server.url)
    assert announced.connection is not None
    assert announced.socket is not None
    sessions.mine().get(server.url)
    assert (later.connection, later.socket) == (None, None)


def test_an_overdue_call_sends_nothing(sessions, server):
    """If connecting took longer than a call may, its request is not sent: its permit has gone to another."""
    with announcing(call(-1.0)), pytest.raises(requests.RequestException):
        sessions.mine().get(server.url)
    assert server.asked == []
