"""The receiver: bearer first, then the body, then the database, then the answer. A stranger learns nothing from it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from apple.notices import MalformedNotice, is_test, read_notice
from orchestration.metrics import Metrics
from storage.errors import DatabaseAway

from ..background import BackgroundBuild
from ..throttle import Throttle
from .bearers import BearerCheck
from .intake import Full, Intake

log = logging.getLogger(__name__)

#: A notice names a hundred records at most, some hundred bytes each.
BODY_LIMIT_BYTES = 1_000_000

#: From the headers to the last byte of the body.
BODY_SECONDS = 10.0

#: How long the database may take before the answer is 503, and Apple tries again.
STORE_SECONDS = 10.0

#: The statuses after which the connection is closed (an unknown client's, and one that drips); and
#: for how long the rest of such a request is still read, and discarded.
_CLOSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
DRAIN_SECONDS = 1.0

#: The state of the database is this old at most, and asking for it takes no longer.
READY_SECONDS = 1.0
ANSWER_SECONDS = 4.0

_AGAIN_SECONDS = "30"

#: How many wrong requests a source may send at once, and a second in the long run.
BURST = 200
PER_SECOND = 10.0


class Rejected(Exception):
    """A request is refused with a status, and no words."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class Receiver:
    """Receives notices."""

    def __init__(self, bearer_check: BearerCheck, intake: Intake, metrics: Metrics, throttle: Throttle) -> None:
        self._bearer_check = bearer_check
        self._intake = intake
        self._metrics = metrics
        self._throttle = throttle

    async def receive(self, request: Request) -> Response:
        """Answer a notice: 200 only once it is stored."""
        try:
            await self._receive(request)
        except Rejected as refused:
            if refused.status in _CLOSED:
                await _drain(request)
            self._metrics.count("notices", result=refused.status.phrase.lower())
            return _answer(refused.status)
        except (DatabaseAway, Full, TimeoutError):
            self._metrics.count("notices", result="not kept")
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE)
        except ClientDisconnect:
            return _answer(HTTPStatus.BAD_REQUEST)
        except Exception:  # the outermost handler: Apple sends it again, and the log has the bug
            log.exception("A notice could not be taken.")
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE)
        return _answer(HTTPStatus.OK)

    async def _receive(self, request: Request) -> None:
        uid: str | None = request.path_params.get("uid")
        source = request.client.host if request.client else ""
        async with asyncio.timeout(STORE_SECONDS):
            speaks_for = await self._judge(request, uid, source)
        body = await _read(request)
        try:
            notice = read_notice(body)
        except MalformedNotice as error:
            if is_test(body):
                return
            log.warning("A notice with a right bearer could not be read: %s.", error)
            raise Rejected(HTTPStatus.BAD_REQUEST) from None
        async with asyncio.timeout(STORE_SECONDS):
            if speaks_for not in {None, notice.uid} and await self._is_known(notice.uid):
                log.warning("A notice for location %s came with the bearer of %s.", notice.uid, speaks_for)
                raise Rejected(HTTPStatus.BAD_REQUEST)
            await self._intake.keep(notice)

    async def _judge(self, request: Request, uid: str | None, source: str) -> str | None:
        """Return the uId that the bearer stands for; None for all. The rest of the request is not read until then."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        bearer = bearer.strip() if scheme.lower() == "bearer" else ""
        if self._bearer_check.is_stale(bearer):
            await asyncio.to_thread(self._bearer_check.refresh)
        is_good, speaks_for = self._bearer_check.judge(bearer, uid)
        if is_good:
            return speaks_for
        if self._throttle.is_over(source):
            raise Rejected(HTTPStatus.TOO_MANY_REQUESTS)
        self._throttle.count(source)
        raise Rejected(HTTPStatus.UNAUTHORIZED)

    async def _is_known(self, uid: str) -> bool:
        """Return whether there is a location of this uId, even one that was added just now."""
        if not self._bearer_check.knows(uid):
            await asyncio.to_thread(self._bearer_check.refresh)
        return self._bearer_check.knows(uid)


async def _read(request: Request) -> bytes:
    """Read a body, up to its limit of size and time."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > BODY_LIMIT_BYTES:
        raise Rejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_LIMIT_BYTES:
                    raise Rejected(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except TimeoutError:
        raise Rejected(HTTPStatus.REQUEST_TIMEOUT) from None
    return bytes(body)


async def _drain(request: Request) -> None:
    """Read and discard a refused request for a moment: a client that is cut off may never read its answer."""
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(DRAIN_SECONDS):
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                if size > BODY_LIMIT_BYTES:
                    return


def _answer(status: HTTPStatus) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status in _CLOSED:
        headers["Connection"] = "close"
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        headers["Retry-After"] = _AGAIN_SECONDS
    return Response(status_code=status, headers=headers)


@dataclass(frozen=True, kw_only=True)
class Door:
    """The receiver and its readiness, once the database is there."""

    receiver: Receiver
    intake: Intake
    is_ready: Callable[[], bool]


class Readiness:
    """Whether a notice could be stored; the database is asked once a second at most."""

    def __init__(self, background: BackgroundBuild[Door]) -> None:
        self._background = background
        self._lock = asyncio.Lock()
        self._is_ready = False
        self._looked_at = -READY_SECONDS

    async def look(self) -> bool:
        """Return whether a notice could be stored, as of a moment ago."""
        async with self._lock:
            if time.monotonic() - self._looked_at >= READY_SECONDS:
                self._is_ready = await self._ask()
                self._looked_at = time.monotonic()
            return self._is_ready

    async def _ask(self) -> bool:
        door = self._background.built
        if door is None:
            return False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.to_thread(door.is_ready)
        except TimeoutError:
            return False


def make_app(background: BackgroundBuild[Door]) -> Starlette:
    """Return the application: one path for all locations, one for each, and two for probes."""

    async def receive(request: Request) -> Response:
        door = background.built
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE) if door is None else await door.receiver.receive(request)

    async def healthy(_: Request) -> Response:
        return _answer(HTTPStatus.OK)

    readiness = Readiness(background)

    async def ready(_: Request) -> Response:
        is_up = await readiness.look()
        return _answer(HTTPStatus.OK if is_up else HTTPStatus.SERVICE_UNAVAILABLE)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        background.stop()
        if background.built is not None:
            await run_in_threadpool(background.built.intake.stop)

    return Starlette(
        routes=[
            Route("/notices", receive, methods=["POST"]),
            Route("/notices/{uid}", receive, methods=["POST"]),
            Route("/healthz", healthy),
            Route("/readyz", ready),
        ],
        lifespan=life,
    )
