"""Signing in, with a name and a password, and out."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from storage.errors import StorageError
from storage.sessions import LONGEST

from ..throttle import Throttle
from .forms import read_form
from .guard import SIGN_IN, is_safe_target
from .render import render
from .visitors import COOKIE, SECURE_COOKIE, cookie_of, is_secure

if TYPE_CHECKING:
    from tasks.services import Services

#: How many wrong passwords may come from one address at once, and a second in the long run.
_BURST, _PER_SECOND = 10, 0.1

#: Checking a password takes 64 MB of memory, which is the point of it: as many are checked side by side.
_AT_ONCE = 2

#: More do not wait for that.
_MOST_WAITING = 20

#: A longer password is none, and takes long to check.
_LONGEST_PASSWORD = 1_000

_WRONG = "The name or the password is wrong."
_BUSY = "Many people sign in at the moment. Try again."
_OFTEN = "Too many wrong passwords came from here. Wait a minute, and try again."


class SignIn:
    """The page on which people sign in."""

    def __init__(self, services: "Callable[[], Services]") -> None:
        self._services = services
        self._throttle = Throttle(burst=_BURST, per_second=_PER_SECOND)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def answer(self, request: Request) -> Response:
        """Show the form, or take it."""
        if request.method != "POST":
            target = request.query_params.get("next", "/")
            return _page(request, "", "", target if is_safe_target(target) else "/")
        form = await read_form(request)
        name, password = form.get("name", "").strip(), form.get("password", "")
        target = form.get("next", "/")
        target = target if is_safe_target(target) else "/"
        source = request.client.host if request.client else ""
        if self._throttle.is_over(source):
            return _page(request, _OFTEN, name, target, HTTPStatus.TOO_MANY_REQUESTS)
        if self._waiting >= _MOST_WAITING:
            return _page(request, _BUSY, name, target, HTTPStatus.SERVICE_UNAVAILABLE)
        # It counts as wrong until it is known to be right: else any number could be tried side by side.
        self._throttle.count(source)
        try:
            secret = await self._begin(name, password, cookie_of(request))
        except StorageError:  # nobody knows whether it was right
            self._throttle.forgive(source)
            raise
        if secret is None:
            return _page(request, _WRONG, name, target, HTTPStatus.UNAUTHORIZED)
        self._throttle.forgive(source)
        response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
        _set_cookie(request, response, secret)
        return response

    async def end(self, request: Request) -> Response:
        """End the session."""
        secret = cookie_of(request)
        if secret is not None:
            await run_in_threadpool(self._services().store.sessions.end, secret)
        response = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER)
        response.delete_cookie(SECURE_COOKIE if is_secure(request) else COOKIE, secure=is_secure(request))
        return response

    async def _begin(self, name: str, password: str, old: str | None) -> str | None:
        """Begin a session, with a new secret, whatever the browser had before; None if the password is wrong."""
        if not name or not 0 < len(password) <= _LONGEST_PASSWORD:
            return None
        store = self._services().store
        self._waiting += 1
        try:
            async with self._turns:
                account = await run_in_threadpool(store.accounts.check, name, password)
        finally:
            self._waiting -= 1
        if account is None:
            return None
        if old is not None:
            await run_in_threadpool(store.sessions.end, old)
        return await run_in_threadpool(store.sessions.begin, account)


def _set_cookie(request: Request, response: Response, secret: str) -> None:
    is_tls = is_secure(request)
    response.set_cookie(
        SECURE_COOKIE if is_tls else COOKIE,
        secret,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=is_tls,
        httponly=True,
        samesite="lax",  # a link from elsewhere may lead here; a form from elsewhere may not, see the guard
    )


def _page(request: Request, words: str, name: str, target: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    text = render("sign_in.html", words=words, name=name, target=target, visitor=None, is_secure=is_secure(request))
    return HTMLResponse(text, status)
