"""The HTTP server of a command that listens."""

import contextlib
import resource
import socket
from collections.abc import Callable
from typing import Any

from settings import Settings, read_settings
from tasks.garbage import collect_usually
from tasks.heap import share_heap

from ..exits import Exit, Failure

#: Beyond this, connections are answered 503 at once: those that say nothing count until their silence is ended.
_CONCURRENCY = 4_000

#: Files that a process needs beside its connections.
_OTHER_FILES = 500

#: An idle connection is kept for this long.
_IDLE_SECONDS = 30

#: Requests under way may end within this when the server stops.
_STOP_SECONDS = 15


def prepare(name: str) -> Settings:
    """Return the settings of a process that serves, once its logs, reports of bugs and embedded servers are set up."""
    from tasks.logs import configure
    from tasks.sentry import report_bugs

    from ..embedded.servers import join_if_any

    share_heap()
    settings = read_settings()
    if settings.is_embedded:
        join_if_any(settings)
    configure(settings)
    report_bugs(settings, name)
    return settings


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise Failure, with the reason, if the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise Failure(f"Cannot listen at {host}:{port}: {getattr(error, 'strerror', error)}.", Exit.USAGE) from None


def serve(
    app: Any, listener: socket.socket, *, trust: str | None = "127.0.0.1", before_stop: Callable[[], None] | None = None
) -> None:
    """Serve until stopped. An application that looks at proxies' headers itself trusts none here.

    What is called before the stop ends the answers that would go on for ever.
    """
    import uvicorn

    from .protocol import TimedProtocol

    _allow_files()

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if before_stop is not None:
                before_stop()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=trust is not None,
        forwarded_allow_ips=trust,
        limit_concurrency=_CONCURRENCY,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    collect_usually()
    Server(config).run(sockets=[listener])


def _allow_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONCURRENCY + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # a system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
