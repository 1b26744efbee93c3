"""The application of the console: its routes, each screen as a page, as JSON, as CSV and live."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from advice import explain
from apple.errors import AppleError
from orchestration.sync import NeedsPerson
from storage.errors import DatabaseAway, StorageError, UnknownLocation

from ...bundle import write_bundle
from ..background import BackgroundBuild
from .actions import act
from .assets import read_asset
from .forms import read_form
from .guard import SIGN_IN
from .live import Live, Topic
from .query import Query, WrongQuery
from .render import render, write_csv, write_json
from .screen import Kind, NotFound
from .screens import KINDS
from .sign_in import SignIn
from .visitors import DoorPolicy, Porter, Visitor

if TYPE_CHECKING:
    from tasks.services import Services

#: For how long a browser keeps an icon, and a tile in its place.
_KEPT_SECONDS, _TILE_SECONDS = 86_400, 600

#: A watcher whose session ended is sent away after this.
_CHECK_SECONDS = 10.0

#: What a file is read in.
_BLOCK = 65_536

_MAY_NOT_ACT = "You may look, and not act: ask whoever runs this for the right to."

_AWAY = {"Retry-After": "5"}

#: What a page says in words, and no bug.
ERRORS = (RedisError, OperationalError, StorageError, AppleError, NeedsPerson, WrongQuery, NotFound)


class Console:
    """The console of one process."""

    def __init__(self, background: "BackgroundBuild[Services]", policy: DoorPolicy) -> None:
        self._background = background
        self._policy = policy
        self._porter: Porter | None = None
        self.live = Live()
        self._sign_in = SignIn(self.services)

    def services(self) -> "Services":
        """Return the services; raise DatabaseAway until they are there."""
        if self._background.built is None:
            raise DatabaseAway
        return self._background.built

    def porter(self) -> Porter:
        """Return who finds out who a visitor is; raise DatabaseAway until the database answers."""
        if self._porter is None:
            self._porter = Porter(self._policy, self.services().store)
        return self._porter

    def routes(self) -> list[BaseRoute]:
        """Return all routes."""
        screens = [route for kind in KINDS for route in self._routes_of(kind)]
        return [
            Route("/healthz", _healthy),
            Route("/readyz", self._ready),
            Route("/assets/{name:path}", _asset),
            Route(SIGN_IN, self._sign_in.answer, methods=["GET", "POST"]),
            Route("/sign-out", self._sign_in.end, methods=["POST"]),
            Route("/locations/{uid}/{action}", self._act, methods=["POST"]),
            Route("/bundle.zip", self._bundle),
            Route("/icons/{adam_id}", self._icon),
            *screens,
        ]

    def _routes_of(self, kind: Kind) -> Iterator[BaseRoute]:
        path = "/overview" if kind.path == "/" else kind.path
        forms = {".json": self._as_json, ".csv": self._as_csv}
        if kind.pulse is not None:
            forms[".live"] = self._as_live
        for ending, answer in forms.items():
            yield Route(f"{path}{ending}", _bound(answer, kind))
        yield Route(kind.path, _bound(self._as_page, kind))

    async def _as_page(self, kind: Kind, request: Request) -> Response:
        query = _query(request)
        text = await run_in_threadpool(self._render, kind, query, request.scope["visitor"], kind.template)
        return HTMLResponse(text)

    async def _as_json(self, kind: Kind, request: Request) -> Response:
        screen = await run_in_threadpool(kind.read, self.services(), _query(request))
        return Response(await run_in_threadpool(write_json, screen.facts), media_type="application/json")

    async def _as_csv(self, kind: Kind, request: Request) -> Response:
        query = _query(request)
        title, file = await run_in_threadpool(self._write_csv, kind, query)
        headers = {"Content-Disposition": f'attachment; filename="{title}.csv"'}
        return StreamingResponse(_blocks(file), media_type="text/csv; charset=utf-8", headers=headers)

    def _write_csv(self, kind: Kind, query: Query) -> tuple[str, IO[bytes]]:
        services = self.services()
        sheet = kind.read(services, query).sheet if kind.read_all is None else kind.read_all(services, query)
        if sheet is None:
            raise NotFound("This is not kept as a table.")
        return sheet.title, write_csv(sheet, is_defused=query.text("for") == "spreadsheets")

    async def _as_live(self, kind: Kind, request: Request) -> Response:
        query, visitor = _query(request), request.scope["visitor"]
        services, pulse = self.services(), kind.pulse
        assert pulse is not None  # noqa: S101 - else there is no such route
        await run_in_threadpool(pulse, services, query)  # what does not exist is told at once
        topic = Topic(address=str(request.url.replace(scheme="", netloc="")), access=visitor.access)
        part = f"live/{kind.template}"
        watching = self.live.watch(
            topic, lambda: pulse(services, query), lambda: self._render(kind, query, visitor, part)
        )
        porter, peer = self.porter(), request.scope["pageturner.peer"]
        events = _events(watching, lambda: porter.recognise(request, peer) == visitor)
        return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def _render(self, kind: Kind, query: Query, visitor: Visitor, template: str) -> str:
        screen = kind.read(self.services(), query)
        context = {"screen": screen, "facts": screen.facts, "query": query, "kind": kind}
        return render(template, **context, visitor=visitor, done=query.text("done"), now=screen.facts.as_of)

    async def _act(self, request: Request) -> Response:
        visitor: Visitor = request.scope["visitor"]
        if not visitor.may_act:
            return _failure(request, _MAY_NOT_ACT, HTTPStatus.FORBIDDEN)
        form = await read_form(request)
        uid, action = request.path_params["uid"], request.path_params["action"]
        done = await run_in_threadpool(act, self.services(), uid, action, form)
        return RedirectResponse(f"/locations/{uid}?{urlencode({'done': done})}", HTTPStatus.SEE_OTHER)

    def _look(self) -> None:
        self.services().store.chores.last()

    async def _icon(self, request: Request) -> Response:
        """Send the icon of an app; where there is none, a tile with its letter."""
        body, kind, seconds = await run_in_threadpool(self._find_icon, request.path_params["adam_id"])
        return Response(body, media_type=kind, headers={"Cache-Control": f"private, max-age={seconds}"})

    def _find_icon(self, adam_id: str) -> tuple[bytes, str, int]:
        services = self.services()
        address = services.store.icons.address(adam_id)
        icon = None if address.url is None else services.use_cases.icon_keeper.find(address.url)
        if icon is not None:
            return icon.body, icon.kind, _KEPT_SECONDS
        name = address.name or adam_id
        return render("tile.svg", name=name).encode(), "image/svg+xml", _TILE_SECONDS

    async def _bundle(self, request: Request) -> Response:
        """Send the support bundle: for those who may act, since it says much of the installation."""
        if not request.scope["visitor"].may_act:
            return _failure(request, _MAY_NOT_ACT, HTTPStatus.FORBIDDEN)
        crawl = _query(request).number("crawl")
        body = await run_in_threadpool(self._write_bundle, crawl)
        headers = {"Content-Disposition": 'attachment; filename="pageturner-bundle.zip"'}
        return Response(body, media_type="application/zip", headers=headers)

    def _write_bundle(self, crawl: int | None) -> bytes:
        if crawl is not None and self.services().store.history.find(crawl) is None:
            raise NotFound(f"There is no crawl {crawl}.")
        file = io.BytesIO()
        write_bundle(self.services(), file, crawl=crawl)
        return file.getvalue()

    async def _ready(self, _: Request) -> Response:
        try:
            await run_in_threadpool(self._look)
        except StorageError as error:
            return PlainTextResponse(f"{explain(error)}\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok\n")


def _bound(answer: Any, kind: Kind) -> Callable[[Request], Any]:
    async def answer_kind(request: Request) -> Response:
        response: Response = await answer(kind, request)
        return response

    return answer_kind


def _query(request: Request) -> Query:
    path = request.url.path
    for ending in (".json", ".csv", ".live"):
        path = path.removesuffix(ending)
    places = {name: str(value) for name, value in request.path_params.items()}
    return Query("/" if path == "/overview" else path, places, request.query_params)


def explain_error(request: Request, error: Exception) -> Response:
    """Answer with what went wrong, and what to do."""
    if isinstance(error, NotFound | UnknownLocation):
        return _failure(request, explain(error), HTTPStatus.NOT_FOUND)
    if isinstance(error, DatabaseAway | RedisError | OperationalError):
        return _failure(request, explain(error), HTTPStatus.SERVICE_UNAVAILABLE)
    if isinstance(error, WrongQuery | StorageError):
        return _failure(request, explain(error), HTTPStatus.BAD_REQUEST)
    if isinstance(error, AppleError | NeedsPerson):
        return _failure(request, explain(error), HTTPStatus.CONFLICT)
    return _failure(request, "There is no such page.", HTTPStatus.NOT_FOUND)


def _failure(request: Request, words: str, status: HTTPStatus) -> Response:
    headers = _AWAY if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse(f"{words}\n", status, headers)
    visitor = request.scope.get("visitor")
    return HTMLResponse(render("failure.html", words=words, status=status, visitor=visitor), status, headers)


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _asset(request: Request) -> Response:
    found = read_asset(request.path_params["name"])
    if found is None:
        return PlainTextResponse("There is no such file.\n", HTTPStatus.NOT_FOUND)
    body, kind = found
    return Response(body, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})


async def _blocks(file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        async for block in iterate_in_threadpool(iter(lambda: file.read(_BLOCK), b"")):
            yield block
    finally:
        await asyncio.to_thread(file.close)


async def _events(watching: AsyncIterator[str | None], is_still_let_in: Callable[[], bool]) -> AsyncIterator[str]:
    """Yield what is shown as server-sent events, for as long as its watcher may see it."""
    checked_at = time.monotonic()
    async for shown in watching:
        if time.monotonic() - checked_at >= _CHECK_SECONDS:
            with suppress(DatabaseAway):  # nothing new can be shown meanwhile
                if not await run_in_threadpool(is_still_let_in):
                    return
            checked_at = time.monotonic()
        lines = ":" if shown is None else "\n".join(f"data: {line}" for line in shown.splitlines())
        yield f"{lines}\n\n"
