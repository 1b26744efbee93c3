"""`pageturner webhook`: listen for Apple's notices."""

import socket
from typing import TYPE_CHECKING, Annotated

import typer

from settings import read_settings
from storage.errors import StorageError

from ..embedded import join_if_any
from ..exits import Exit, Failure
from ..printing import say
from ..webhook import Bearing, Intake, Receiver, make_app

if TYPE_CHECKING:
    from tasks.house import House

#: Beyond this, connections are answered 503 at once.
_CONCURRENCY = 2_000

#: A connection that says nothing is not kept for longer.
_IDLE_SECONDS = 30

#: What is under way when it is told to stop may end.
_STOP_SECONDS = 15


def webhook(
    host: Annotated[
        str, typer.Option(help="Where to listen. Behind a proxy that speaks HTTPS, this host alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    trust: Annotated[
        str, typer.Option(help="Proxies whose word on a request's source is taken: addresses, by commas.")
    ] = "127.0.0.1",
) -> None:
    """Listen for Apple's notices, and keep each before it is answered. Apple wants HTTPS: put a proxy before it.

    Example: pageturner webhook --port 8080
    """
    import uvicorn

    settings = read_settings()
    if settings.is_embedded:
        join_if_any(settings)
    from tasks.house import house

    kept = house()
    bearing = Bearing(kept.bearers.digests, settings.webhook_secrets)
    intake = Intake(kept.notices.store, kept.sending.sync)
    app = make_app(Receiver(bearing, intake), intake, lambda: _is_ready(kept))
    listener = _listen(host, port)
    address = listener.getsockname()
    say(f"Listening for notices at http://{address[0]}:{address[1]}/notices")
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=trust,
        limit_concurrency=_CONCURRENCY,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=_family(host), backlog=2048)
    except OSError as error:
        raise Failure(f"Cannot listen at {host}:{port}: {error.strerror}.", Exit.USAGE) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _is_ready(house: "House") -> bool:
    try:
        house.rounds.last()
    except StorageError:
        return False
    return True
