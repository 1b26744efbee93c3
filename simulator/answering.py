"""How Apple answers: the endpoints under `/mdm/v2`, each behind the count of what is in flight."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .location import Location
from .pages import Rendered
from .traffic import TooMany
from .trouble import Fault
from .world import World

RESOURCES = ("assets", "assignments", "users")

_DRIP_SECONDS = 0.2


class Apple:
    """The endpoints that Apple has."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """List them."""
        pages = [Route(f"/mdm/v2/{name}", self.page, name=name) for name in RESOURCES]
        return [
            *pages,
            Route("/mdm/v2/client/config", self.client_config),
            Route("/mdm/v2/service/config", self.service_config),
        ]

    async def page(self, request: Request) -> Response:
        """Answer one page of a list."""
        resource = request.url.path.rsplit("/", 1)[1]
        return await self._counted(request, resource, self._page)

    async def client_config(self, request: Request) -> Response:
        """Answer whose token this is."""
        return await self._counted(request, "client/config", self._client_config)

    async def service_config(self, _: Request) -> Response:
        """Answer the limits; this needs no token."""
        await self._wait()
        limits = {"maxAssets": 25, "maxUsers": 100}
        if self._world.switches.rate is not None:
            limits["maxRequestPerSecond"] = self._world.switches.rate
        return JSONResponse({"limits": limits, "notificationTypes": [], "urls": {}, "errorCodes": []})

    async def _counted(self, request: Request, resource: str, answer: Any) -> Response:
        text = request.headers.get("authorization", "").removeprefix("Bearer ")
        location = self._world.of_token(text)
        if location is None:
            await self._wait()
            return error(401, 9622, "Invalid authentication token")
        try:
            with location.traffic.arrive():
                return await self._answer(request, resource, location, answer)
        except TooMany:
            return error(429, 9646, "There are too many requests for the current Organization")

    async def _answer(self, request: Request, resource: str, location: Location, answer: Any) -> Response:
        index = request.query_params.get("pageIndex", "0")
        if not index.isdecimal():
            return error(400, 9602, "Invalid argument")
        location.change(resource, location.traffic.note(resource, int(index)))
        fault = location.fault(resource, int(index))
        if fault is not None and fault.kind == "drip":
            return await _drip()
        await self._wait()
        state = location.tokens[request.headers["authorization"].removeprefix("Bearer ")]
        if state != "valid":
            number, words = {"revoked": (9625, "Revoked sToken"), "expired": (9621, "Expired sToken")}[state]
            return error(401, number, words)
        if fault is not None:
            return _spoil(fault, resource, location, int(index))
        result: Response = answer(request, resource, location, int(index))
        return result

    def _page(self, request: Request, resource: str, location: Location, index: int) -> Response:
        beyond = index >= location.pages.total(resource)
        if beyond and self._world.switches.beyond_end == "9650":
            return error(400, 9650, "Page index must be less than the total number of pages")
        return _send(request, location.pages.page(resource, index))

    def _client_config(self, _: Request, __: str, location: Location, ___: int) -> Response:
        organisation = location.organisation
        config = {
            "countryISO2ACode": "US",
            "defaultPlatform": "enterprisestore",
            "locationName": organisation.name,
            "mdmInfo": organisation.owner,
            "notificationAuthToken": "simulated-notification-secret",
            "tokenExpirationDate": "2030-11-08T22:33:22+0000",
            "uId": organisation.uid,
        }
        return JSONResponse(config)

    async def _wait(self) -> None:
        switches = self._world.switches
        jitter = random.uniform(-switches.jitter, switches.jitter) if switches.jitter else 0.0  # noqa: S311 - no secret
        await asyncio.sleep(max(0.0, switches.latency + jitter))


def error(status: int, number: int, words: str) -> Response:
    """Answer with an error in Apple's shape."""
    return JSONResponse({"errorNumber": number, "errorMessage": words}, status)


def _send(request: Request, page: Rendered) -> Response:
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(page.packed, media_type="application/json", headers={"Content-Encoding": "gzip"})
    return Response(page.plain, media_type="application/json")


async def _drip() -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"assets": ['
        while True:
            await asyncio.sleep(_DRIP_SECONDS)
            yield b" "

    return StreamingResponse(body(), media_type="application/json")


def _spoil(fault: Fault, resource: str, location: Location, index: int) -> Response:
    page = json.loads(location.pages.page(resource, index).plain) if resource in RESOURCES else {}
    bodies: dict[str, bytes] = {
        "error": json.dumps({"errorNumber": fault.number, "errorMessage": "As scripted"}).encode(),
        "status": b"",
        "html": b"<html><body><h1>Please sign in</h1></body></html>",
        "truncated": json.dumps(page).encode()[: -len(json.dumps(page)) // 2],
        "shape": json.dumps({resource: {"surprise": [1, 2, 3]}}).encode(),
        "lost": location.pages.without_list(resource, index).plain if resource in RESOURCES else b"{}",
        "other-location": json.dumps(page | {"uId": "999"}).encode(),
        "other-owner": json.dumps(page | {"mdmInfo": {"id": "other", "name": "Other", "metadata": ""}}).encode(),
        "garbage-after-gzip": b"this is not gzip",
    }
    headers = dict(fault.headers)
    if fault.kind == "garbage-after-gzip":
        headers["Content-Encoding"] = "gzip"
    status = fault.status if fault.kind in {"error", "status", "html"} else 200
    return Response(bodies[fault.kind], status, headers, media_type="application/json")
