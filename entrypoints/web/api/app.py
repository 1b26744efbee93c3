"""The application of the API, with its document."""

from collections.abc import Callable
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from advice import explain
from apple.errors import AppleError
from orchestration.sync import NeedsPerson
from storage.errors import DatabaseAway, Pruned, StorageError, UnknownLocation

from ...bookmarks import BookmarkGone, NoBookmark
from ..console.live import FeedWatch
from ..console.query import WrongQuery
from ..console.screen import NotFound
from . import changes, crawls, locations, mirror
from .callers import CallerCheck
from .etag import ETags
from .models import ApiProblem

if TYPE_CHECKING:
    from tasks.services import Services

PATH = "/api/v1"

_ABOUT = """An exact mirror of what Apple's Apps and Books service knows about an organisation, to read from.

Lists are paged by `after`, which is the `next` of the page before. The feed of changes is read by bookmarks: take
`GET /changes/position`, then the records, then read on from there. A bookmark that the feed cannot go on from is
answered 410: begin anew.
"""

#: Which status an error has; the first line with a class of it decides.
_STATUSES: tuple[tuple[tuple[type[Exception], ...], HTTPStatus], ...] = (
    ((BookmarkGone, Pruned), HTTPStatus.GONE),
    ((NotFound, UnknownLocation), HTTPStatus.NOT_FOUND),
    ((DatabaseAway, RedisError, OperationalError), HTTPStatus.SERVICE_UNAVAILABLE),
    ((AppleError, NeedsPerson), HTTPStatus.CONFLICT),
    ((NoBookmark, WrongQuery, StorageError), HTTPStatus.BAD_REQUEST),
)

#: What each answer may be besides.
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ApiProblem, "description": status.phrase}
    for status in (
        *(HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
        *(HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS),
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
}


def make_api(services: "Callable[[], Services]", watch: FeedWatch, *, is_open: bool) -> FastAPI:
    """Return the API. On this host alone, where the console is open to everybody, it asks for no token either."""
    app = FastAPI(
        title="Pageturner",
        version=version("pageturner"),
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEMS,
    )
    app.state.services = services
    app.state.check = CallerCheck(is_open=is_open)
    app.state.watch = watch
    for part in (locations, crawls, mirror, changes):
        app.include_router(part.router)
    for kinds, _ in _STATUSES:
        for kind in kinds:
            app.add_exception_handler(kind, _explain)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _correct)
    app.add_middleware(ETags)
    return app


async def _explain(_: Request, error: Exception) -> JSONResponse:
    status = next(status for kinds, status in _STATUSES if isinstance(error, kinds))
    return _problem(status, explain(error))


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    return _problem(HTTPStatus(error.status_code), str(error.detail), error.headers)


async def _correct(_: Request, error: Exception) -> JSONResponse:
    """Answer a request whose arguments cannot be used: which, and why."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these
    told = ("{}: {}".format(".".join(map(str, one["loc"][1:])), one["msg"]) for one in error.errors())
    return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(told))


def _problem(status: HTTPStatus, words: str, headers: Any = None) -> JSONResponse:
    body = ApiProblem(title=status.phrase, status=status, detail=words).model_dump()
    extra = {"Retry-After": "5"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return JSONResponse(body, status, {**extra, **(headers or {})}, media_type="application/problem+json")
