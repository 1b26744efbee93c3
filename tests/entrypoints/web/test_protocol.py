"""HTTP for untrusted clients: a connection that says nothing, or never ends, is closed, and no other is."""

import asyncio
import selectors
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.server import ServerState

from entrypoints.web.protocol import TimedProtocol

IDLE_SECONDS = 30
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /whole HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


async def early(_: Request) -> Response:
    """Answer without reading the body."""
    return PlainTextResponse("early")


async def whole(request: Request) -> Response:
    """Answer with the length of the body, once all of it is there."""
    return PlainTextResponse(f"{len(await request.body())}, {dict(request.headers).get('x-late')}")


class _Leaping(selectors.SelectSelector):
    """A selector that waits for nothing: it lets the time that it would wait have passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Pass the time."""
        self.now += timeout or 0.0
        return []


class _Transport:
    """The connection to a client: what was written, and when it was closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.written = b""
        self.closed_at: float | None = None
        self.was_aborted = False

    def write(self, data: bytes) -> None:
        """Send to the client."""
        self.written += data

    def close(self) -> None:
        """Close the connection."""
        if self.closed_at is None:
            self.closed_at = round(self._loop.time(), 3)

    def abort(self) -> None:
        """Break the connection off."""
        self.was_aborted = True
        self.close()

    def is_closing(self) -> bool:
        """Return whether it is closed."""
        return self.closed_at is not None

    def get_extra_info(self, _: str) -> None:
        """Know nothing of the client."""

    def pause_reading(self) -> None:
        """Read all the same."""

    def resume_reading(self) -> None:
        """Read on."""

    def set_protocol(self, _: Any) -> None:
        """Stay with this protocol."""


@pytest.fixture
def loop() -> Iterator[asyncio.SelectorEventLoop]:
    """An event loop in which time passes at once."""
    selector = _Leaping()
    made = asyncio.SelectorEventLoop(selector)
    made.time = lambda: selector.now  # type: ignore[method-assign]
    yield made
    made.close()


@pytest.fixture
def talk(loop):
    """Return a function that plays a client: it sends bytes, and waits for seconds, in the order of its arguments."""
    app = Starlette(routes=[Route("/", early, methods=["GET", "POST"]), Route("/whole", whole, methods=["POST"])])
    config = uvicorn.Config(app, http=TimedProtocol, log_config=None, access_log=False, lifespan="off")
    config.timeout_keep_alive = IDLE_SECONDS
    config.load()

    def play(*parts: bytes | float) -> _Transport:
        protocol, transport = TimedProtocol(config, ServerState(), {}, loop), _Transport(loop)
        protocol.connection_made(transport)

        async def run() -> None:
            for part in parts:
                if isinstance(part, float):
                    await asyncio.sleep(part)
                elif not transport.is_closing():
                    protocol.data_received(part)
                    await asyncio.sleep(0.001)

        loop.run_until_complete(run())
        closed_at = transport.closed_at
        protocol.connection_lost(None)
        loop.run_until_complete(asyncio.sleep(1.0))  # the application notices that its client is gone
        transport.closed_at = closed_at
        return transport

    return play


def test_silence_is_ended(talk):
    """A connection over which no request comes is closed after ten seconds."""
    assert talk(30.0).closed_at == 10.0


def test_a_head_that_does_not_end(talk):
    """A request that breaks off in its head is not waited for, however slowly it goes on."""
    drips = [part for _ in range(40) for part in (b"y", 1.0)]
    client = talk(5.0, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", *drips)
    assert client.closed_at == 15.0
    assert client.written == b""


def test_a_connection_serves_many_requests(talk):
    """Between its requests a client has the idle time of the server, which is longer than the time for a head."""
    client = talk(*(part for _ in range(5) for part in (GET, 29.0)), 29.0)
    assert client.written.count(b"HTTP/1.1 200") == 5
    assert client.closed_at == pytest.approx(4 * 29 + IDLE_SECONDS, abs=0.1)


def test_the_head_of_a_later_request(talk):
    """A later request has ten seconds for its head, too, from its first byte."""
    client = talk(GET, 20.0, b"GET / HTTP/1.1\r\nHost", 20.0)
    assert client.closed_at == pytest.approx(30.0, abs=0.1)


def test_requests_one_behind_the_other(talk):
    """Requests that are sent without waiting for the answers are all answered."""
    assert talk(GET * 4, 1.0).written.count(b"HTTP/1.1 200") == 4


def test_a_body_may_take_longer_than_a_head(talk):
    """The timer of the head ends with the head: the body has a limit of its own, in the application."""
    client = talk(POST + b"Content-Length: 4\r\n\r\nab", 60.0, b"cd", 1.0)
    assert client.written.endswith(b"4, None")
    assert client.closed_at is None


def test_an_early_answer_ends_the_connection(talk):
    """A client that is answered before it has sent everything is cut off a second later, and has its answer."""
    client = talk(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc", 5.0)
    assert client.written.endswith(b"early")
    assert client.closed_at == pytest.approx(1.0, abs=0.01)


def test_the_rest_after_an_early_answer(talk):
    """If the rest of the request comes within that second, the connection serves the next request."""
    client = talk(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc", 0.5, b"def", 5.0, GET, 1.0)
    assert client.written.count(b"early") == 2


def test_a_head_without_end_in_size(talk):
    """A head that only grows is aborted, long before it fills the memory."""
    lines = [b"X-More: " + b"y" * 60_000 + b"\r\n"] * 40
    client = talk(b"GET / HTTP/1.1\r\nHost: x\r\n", *lines)
    assert (client.was_aborted, client.written) == (True, b"")


def test_a_body_without_end_in_size(talk):
    """A request beyond the limit is aborted, whatever length it named."""
    client = talk(POST + CHUNKED, *[b"10000\r\n" + b"z" * 0x10000 + b"\r\n"] * 64)
    assert (client.was_aborted, client.written) == (True, b"")


def test_many_small_requests_are_no_large_one(talk):
    """The bytes of a connection are counted for each request: one that is kept for long is not aborted."""
    body = POST + b"Content-Length: 300000\r\n\r\n" + b"z" * 300_000
    client = talk(*[body] * 20)
    assert not client.was_aborted
    assert client.written.count(b"300000, None") == 20


def test_trailers_are_discarded(talk):
    """Headers behind a body are read and ignored: they cannot add to those that the application saw."""
    client = talk(POST + CHUNKED, b"3\r\nabc\r\n0\r\nX-Late: yes\r\n\r\n", 1.0)
    assert client.written.endswith(b"3, None")
