"""`pageturner console`: the pages for people, and the API for programs."""

import ipaddress
from typing import TYPE_CHECKING, Annotated

import typer

from storage.states import Access

from ...exits import Exit, Failure
from ...terminal import say
from ...web.server import listen, prepare, serve

if TYPE_CHECKING:
    from ...web.console.visitors import DoorPolicy

PORT = 8100

HostOption = Annotated[
    str, typer.Option(help="The address to listen on. Wider than this host, visitors need a password or a proxy.")
]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 picks a free one.")]
TrustOption = Annotated[
    str, typer.Option(help="Proxies whose headers are trusted: addresses or networks, separated by commas.")
]
UserHeaderOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The header in which such a proxy names its user.")
]
ProxyAccessOption = Annotated[
    Access, typer.Option("--proxy-access", help="What a user may do whom a proxy names, and who has no account.")
]


def console(
    host: HostOption = "127.0.0.1",
    port: PortOption = PORT,
    trust: TrustOption = "127.0.0.1",
    user_header: UserHeaderOption = None,
    proxy_access: ProxyAccessOption = Access.READ,
) -> None:
    """Serve the console and the API. On this host alone nobody is asked for a password.

    Example: pageturner console --host 0.0.0.0
    """
    prepare("console")
    from tasks.services import services

    from ...web.background import BackgroundBuild
    from ...web.site import make_site

    policy = door_policy(host, trust, user_header, proxy_access)
    listener = listen(host, port)
    address = listener.getsockname()
    background = BackgroundBuild(services)
    background.start()
    if background.built is not None:
        say_if_empty(policy)
    say(f"Console at {url_of(address[0], address[1])}")
    app, close = make_site(background, policy, trust)
    serve(app, listener, trust=None, before_stop=close)


def door_policy(host: str, trust: str, user_header: str | None, proxy_access: Access) -> "DoorPolicy":
    """Return who is let in by what an address and proxies are; raise Failure for what cannot be trusted."""
    from ...web.console.visitors import DoorPolicy

    proxies = [one.strip() for one in trust.split(",") if one.strip()]
    for one in proxies:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError:
            words = f"--trust: '{one}' is neither an address nor a network. Whoever may name a user is named here."
            raise Failure(words, Exit.USAGE) from None
    is_open = _is_loopback(host) and user_header is None
    return DoorPolicy(is_open=is_open, user_header=user_header, proxies=proxies, proxy_access=proxy_access)


def url_of(host: str, port: int) -> str:
    """Return an address as a browser wants it."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def say_if_empty(policy: "DoorPolicy") -> None:
    """Say so if nobody could come in yet."""
    from tasks.services import services

    if policy.is_open or policy.user_header is not None or services().store.accounts.has_any_password():
        return
    say("Nobody can sign in yet: `pageturner accounts add NAME` makes an account. On 127.0.0.1 nobody needs one.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
