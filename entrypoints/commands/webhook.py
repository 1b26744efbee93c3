"""`pageturner webhook`: listen for Apple's notices."""

from typing import TYPE_CHECKING, Annotated

import typer

from apple.notices import wanted_by
from settings import read_settings
from storage.errors import StorageError

from ..embedded import join_if_any
from ..printing import say
from ..serving import listen, serve
from ..webhook import Bearing, Intake, Receiver, make_app

if TYPE_CHECKING:
    from tasks.house import House


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
    settings = read_settings()
    if settings.is_embedded:
        join_if_any(settings)
    from tasks.house import house
    from tasks.logs import configure
    from tasks.reporting import report_bugs

    configure(settings)
    report_bugs(settings, "webhook")
    kept = house()
    bearing = Bearing(kept.bearers.digests, settings.webhook_secrets)
    intake = Intake(
        kept.notices.store,
        kept.sending.sync,
        lambda notice: bearing.knows(notice.uid) and bool(wanted_by(notice.type)),
        kept.tally,
    )
    app = make_app(Receiver(bearing, intake, kept.tally), intake, lambda: _is_ready(kept))
    listener = listen(host, port)
    address = listener.getsockname()
    say(f"Listening for notices at http://{address[0]}:{address[1]}/notices")
    serve(app, listener, trust=trust)


def _is_ready(house: "House") -> bool:
    """Tell whether a notice could be kept now: nothing else is needed to take one."""
    try:
        house.rounds.last()
    except StorageError:
        return False
    return True
