"""An HTTP protocol that closes a connection whose request does not begin, or does not end, in time.

Either would keep a connection from somebody else, or take memory without end. It is imported by whoever serves: the
server behind it takes its time to load.
"""

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: The time for the head of a request, from the start of the connection or from the first byte.
_HEAD_SECONDS = 10.0

#: How long a connection stays open after an early answer: closing at once could lose the answer.
_REST_SECONDS = 1.0

#: Longer than the head of any known client: a bearer and a few names. One read of a socket returns the second
#: number at most, and with the end of a head may come the beginning of its body.
_HEAD_BYTES = 65_536
_READ_BYTES = 262_144

#: The most bytes of a whole request.
_REQUEST_BYTES = 2_000_000


class TimedProtocol(HttpToolsProtocol):
    """HTTP for untrusted clients."""

    _closing: TimerHandle | None = None
    _awaits_head = False
    _is_whole = True
    _bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a request; the first byte of the next one starts its timer."""
        self._bytes += len(data)
        if self._bytes > (_HEAD_BYTES + _READ_BYTES if self._awaits_head else _REQUEST_BYTES):
            self.transport.abort()
            return
        super().data_received(data)
        is_answered = self.cycle is None or self.cycle.response_complete
        if self._is_whole and is_answered and not self._awaits_head:
            self._await_head()

    def on_message_begin(self) -> None:
        """Wait for the rest of the head."""
        super().on_message_begin()
        self._is_whole = False
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers; trailers behind a body are discarded."""
        if self._awaits_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the timer: the application has limits of its own for the body."""
        self._awaits_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the timer: the request is complete."""
        self._is_whole = True
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Close the connection soon if the request that was answered is not complete."""
        is_next = self._awaits_head or bool(self.pipeline)
        super().on_response_complete()
        if not self._is_whole and not is_next:
            self._close_after(_REST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._bytes, self._awaits_head = 0, True
        self._close_after(_HEAD_SECONDS)

    def _close_after(self, seconds: float) -> None:
        self._stop_waiting()
        self._closing = self.loop.call_later(seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
