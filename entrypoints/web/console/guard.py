"""The guard: what every request of the console has to pass, and what every answer carries."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from storage.errors import DatabaseAway

from .visitors import Porter

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SIGN_IN = "/sign-in"

#: What is there for everybody.
_PROBES = ("/healthz", "/readyz")
_FREE = (SIGN_IN, *_PROBES, "/assets/")

_SAFE = {"GET", "HEAD"}

_LONGEST_PATH = 1_000

#: Nothing is loaded from elsewhere, and nothing runs that is not in a file of ours.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

#: What a person sees is of this moment, and of this person.
_UNSTORED = {"Cache-Control": "no-store", "Vary": "Cookie"}


class Guard:
    """Lets requests through to the application, once it is known whose they are."""

    def __init__(self, app: "ASGIApp", find_porter: Callable[[], Porter]) -> None:
        self._app = app
        self._find_porter = find_porter

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer, or pass on, one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _is_broken(scope):
            await PlainTextResponse("This address cannot be used.\n", HTTPStatus.BAD_REQUEST)(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        is_asset = scope["path"].startswith("/assets/")

        async def send_guarded(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (_HEADERS if is_asset else _HEADERS | _UNSTORED).items():
                    headers.setdefault(name, value)
            await send(message)

        answer = await self._refuse(connection)
        await (answer or self._app)(scope, receive, send_guarded)

    async def _refuse(self, connection: HTTPConnection) -> Response | None:
        """Return an answer for a request that may not pass; else note who sent it."""
        path, method = connection.scope["path"], connection.scope["method"]
        if path.startswith("/api/"):  # it has tokens of its own
            return None
        if method not in _SAFE and not is_from_here(connection):
            return PlainTextResponse("This came from a page of another site.\n", HTTPStatus.FORBIDDEN)
        try:
            porter: Porter = self._find_porter()
            visitor = await run_in_threadpool(porter.recognise, connection, connection.scope["pageturner.peer"])
        except DatabaseAway:
            away = PlainTextResponse(_AWAY, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"})
            return None if path in _PROBES else away
        connection.scope["visitor"] = visitor
        if visitor is not None or path.startswith(_FREE):
            return None
        return _misdirect() if porter.policy.is_open else _ask_to_sign_in(connection)


def _misdirect() -> Response:
    """Answer somebody who calls this host by another name: a page of somebody else's, in a browser here."""
    words = "The console is open to this host alone: call it http://127.0.0.1, and not by a proxy.\n"
    words += "For others, have it listen with --host, or name the proxy's header with --user-header.\n"
    return PlainTextResponse(words, HTTPStatus.MISDIRECTED_REQUEST)


def _ask_to_sign_in(connection: HTTPConnection) -> Response:
    """Send a person to the page for that; a program gets a status."""
    wants_page = connection.scope["method"] in _SAFE and "text/html" in connection.headers.get("accept", "")
    if not wants_page:
        return PlainTextResponse("Sign in first.\n", HTTPStatus.UNAUTHORIZED)
    asked = connection.scope["path"] + (f"?{connection.url.query}" if connection.url.query else "")
    return RedirectResponse(f"{SIGN_IN}?next={quote(asked, safe='')}", HTTPStatus.SEE_OTHER)


def _is_broken(scope: "Scope") -> bool:
    """Return whether an address is longer than any of ours, or has a sign that no text of the database can have."""
    path, asked = scope["path"], scope["query_string"]
    return len(path) > _LONGEST_PATH or "\x00" in path or b"%00" in asked or b"\x00" in asked


_AWAY = "The database does not answer. This page is back when it does.\n"


def is_from_here(connection: HTTPConnection) -> bool:
    """Return whether a request that changes something came from a page of ours: browsers say so, in one of two ways."""
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        return origin.partition("://")[2] == connection.headers.get("host", "") != ""
    return site == "same-origin"


def is_safe_target(path: str) -> bool:
    """Return whether somebody who has signed in may be sent there: to a page of ours, and nowhere else."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
