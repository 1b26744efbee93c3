"""A protocol that closes a connection whose request does not come, or whose head does not end.

Either would keep a connection from somebody else, or take memory without end. It is imported by whoever serves: the
server behind it takes its time to load.
"""

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: From the first sign of a connection, or of a request on it, to the last of its head.
_HEAD_SECONDS = 10.0

#: A head longer than this is nobody's we know: a bearer and a handful of names. One read of a socket brings the second
#: number at most, and with the end of a head may come the beginning of its body.
_HEAD_BYTES = 65_536
_READ_BYTES = 262_144


class Patient(HttpToolsProtocol):
    """HTTP for strangers."""

    _closing: TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Count what comes while a head is awaited."""
        if self._closing is not None:
            self._head += len(data)
            if self._head > _HEAD_BYTES + _READ_BYTES:
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Wait for the rest of the head."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """Wait no more: what comes now has limits of its own."""
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._head = 0
        self._closing = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
