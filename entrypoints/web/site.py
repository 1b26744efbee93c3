"""The site: the console and the API behind one guard, as one process serves them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from .api.app import PATH, make_api
from .background import BackgroundBuild
from .console.app import ERRORS, Console, explain_error
from .console.guard import Guard
from .console.live import FeedWatch
from .console.visitors import DoorPolicy

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tasks.services import Services


def make_site(
    background: "BackgroundBuild[Services]", policy: DoorPolicy, trust: str
) -> tuple["ASGIApp", Callable[[], None]]:
    """Return the application, and what ends all that goes on for ever before its server stops."""
    console, watch = Console(background, policy), FeedWatch()
    api = make_api(console.services, watch, is_open=policy.is_open)

    def close() -> None:
        console.live.close()
        watch.close()

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        background.stop()

    app = Starlette(
        routes=[Mount(PATH, api), *console.routes()],
        middleware=[
            Middleware(ProxyHeadersMiddleware, trusted_hosts=trust),
            Middleware(Guard, find_porter=console.porter),
            Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4),
        ],
        exception_handlers=dict.fromkeys(ERRORS, explain_error) | {HTTPStatus.NOT_FOUND: explain_error},
        lifespan=life,
    )
    return _Peer(app), close


class _Peer:
    """Notes the address from which a request came over the wire, before a proxy's header takes its place."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        client = scope.get("client")
        await self._app({**scope, "pageturner.peer": client[0] if client else ""}, receive, send)
