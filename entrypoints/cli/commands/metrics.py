"""`pageturner metrics`: serve metrics and health to monitoring. They name locations: for an internal network."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import typer

from settings import read_duration
from storage.errors import StorageError

from ...terminal import say
from ...web.server import listen, prepare, serve

if TYPE_CHECKING:
    from tasks.services import Services

    from ...web.background import BackgroundBuild


def metrics(
    host: Annotated[
        str, typer.Option(help="The address to listen on; the page exposes location names and has no authentication.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 picks a free one.")] = 9090,
) -> None:
    """Serve /metrics for Prometheus, /healthz, and /readyz, which takes ?max_age=2h as `status --check` does.

    Example: pageturner metrics --port 9090
    """
    prepare("metrics")
    from tasks.queue import depths
    from tasks.services import services

    from ...web.background import BackgroundBuild

    listener = listen(host, port)
    address = listener.getsockname()
    say(f"Serving http://{address[0]}:{address[1]}/metrics")
    background = BackgroundBuild(services)
    background.start()
    serve(_make_app(background, depths), listener)


def _make_app(background: "BackgroundBuild[Services]", depths: Callable[[], dict[str, int]]) -> Any:
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    from ...web.metrics import MetricsCollector

    registry = CollectorRegistry()
    registry.register(MetricsCollector(lambda: background.built, depths))

    async def scraped(_: Request) -> Response:
        body = await run_in_threadpool(generate_latest, registry)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(request: Request) -> Response:
        words, status = await run_in_threadpool(_verdict, background.built, request.query_params.get("max_age"))
        return PlainTextResponse(f"{words}\n", status)

    return Starlette(
        routes=[Route("/metrics", scraped), Route("/healthz", healthy), Route("/readyz", ready)],
    )


def _verdict(services: "Services | None", max_age: str | None) -> tuple[str, HTTPStatus]:
    """Judge: without an age, it is enough that the database answers; the line says the rest."""
    from advice import explain
    from orchestration.decisions.health import Alarm

    from ...overview import look
    from ..check import summarise

    if services is None:
        return "The database does not answer.", HTTPStatus.SERVICE_UNAVAILABLE
    try:
        limit = None if max_age is None else read_duration(max_age)
        overview = look(services, limit)
    except ValueError as error:
        return f"max_age: {error}", HTTPStatus.BAD_REQUEST
    except StorageError as error:
        return explain(error), HTTPStatus.SERVICE_UNAVAILABLE
    is_bad = limit is not None and overview.alarm is Alarm.CRITICAL
    return summarise(overview), HTTPStatus.SERVICE_UNAVAILABLE if is_bad else HTTPStatus.OK
