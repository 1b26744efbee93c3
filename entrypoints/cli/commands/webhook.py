"""`pageturner webhook`: listen for Apple's notices."""

import ipaddress
from typing import TYPE_CHECKING, Annotated

import typer

from apple.notices import wanted_by
from storage.errors import StorageError

from ...exits import Exit, Failure
from ...terminal import say
from ...web.server import listen, prepare, serve

if TYPE_CHECKING:
    from tasks.services import Services

    from ...web.webhook import Door


def webhook(
    host: Annotated[
        str, typer.Option(help="The address to listen on; keep the default behind an HTTPS proxy on this host.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 picks a free one.")] = 8080,
    trust: Annotated[
        str,
        typer.Option(
            help="Proxies whose X-Forwarded-For header is trusted: addresses or networks, separated by commas."
        ),
    ] = "127.0.0.1",
) -> None:
    """Listen for Apple's notices, and keep each before it is answered. Apple wants HTTPS: put a proxy before it.

    Example: pageturner webhook --port 8080
    """
    _check_proxies(trust)
    settings = prepare("webhook")
    from tasks.services import services

    from ...web.background import BackgroundBuild
    from ...web.webhook import make_app

    listener = listen(host, port)
    address = listener.getsockname()
    say(f"Listening for notices at http://{address[0]}:{address[1]}/notices")
    background = BackgroundBuild(lambda: _open_door(services(), settings.webhook_secrets))
    background.start()
    serve(make_app(background), listener, trust=trust)


def _open_door(services: "Services", secrets: list[str]) -> "Door":
    """Start the intake of notices."""
    from ...web.throttle import Throttle
    from ...web.webhook import BURST, PER_SECOND, BearerCheck, Door, Intake, Receiver

    metrics = services.use_cases.metrics
    bearer_check = BearerCheck(services.store.notice_secrets.digests, secrets)
    intake = Intake(
        services.store.notices.store,
        services.queue.sync,
        lambda notice: bearer_check.knows(notice.uid) and bool(wanted_by(notice.type)),
        metrics,
        services.metrics_store,
    )

    def is_ready() -> bool:
        """Check that a notice could be stored now, which is all that receiving one needs."""
        try:
            services.store.chores.last()
        except StorageError:
            return False
        return True

    intake.start()
    receiver = Receiver(bearer_check, intake, metrics, Throttle(BURST, PER_SECOND))
    return Door(receiver=receiver, intake=intake, is_ready=is_ready)


def _check_proxies(trust: str) -> None:
    for one in trust.split(","):
        try:
            ipaddress.ip_network(one.strip() if one.strip() != "*" else "0.0.0.0/0", strict=False)
        except ValueError:
            raise Failure(
                f"--trust: '{one.strip()}' is neither an address, nor a network, nor '*'.", Exit.USAGE
            ) from None
