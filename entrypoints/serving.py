"""Serving: what the doors that listen have in common."""

import socket
from typing import Any

from .exits import Exit, Failure

#: Beyond this, connections are answered 503 at once.
_CONCURRENCY = 2_000

#: A connection that says nothing after an answer is not kept for longer.
_IDLE_SECONDS = 30

#: From the first sign of a connection, or of a request on it, to the last of its head.
_HEAD_SECONDS = 10.0

#: What is under way when it is told to stop may end.
_STOP_SECONDS = 15


def listen(host: str, port: int) -> socket.socket:
    """Listen, or say why not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise Failure(f"Cannot listen at {host}:{port}: {getattr(error, 'strerror', error)}.", Exit.USAGE) from None


def serve(app: Any, listener: socket.socket, *, trust: str = "127.0.0.1") -> None:
    """Serve until stopped."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http=_patient_protocol(),
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=trust,
        limit_concurrency=_CONCURRENCY,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _patient_protocol() -> type[Any]:
    """Make a protocol that closes a connection whose request does not come: it would keep one from somebody else."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Patient(HttpToolsProtocol):
        _closing: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._wait()

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._stop_waiting()
            self._closing = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

        def _stop_waiting(self) -> None:
            if self._closing is not None:
                self._closing.cancel()
                self._closing = None

    return Patient
