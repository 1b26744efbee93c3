"""How Apple answers: every endpoint, each behind the count of what is in flight."""

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .catalogue import CATALOGUE, paths_of
from .location import SimulatedLocation
from .metadata import LOOKUP, LOOKUP_MOVED
from .notifier import EVERY_TYPE, RefusedConfig
from .pages import Rendered
from .renderer import Cut
from .traffic import TooMany
from .trouble import Fault
from .world import World

INDEXED, CURSORED, BATCHED, SINGLE = (paths_of(paging) for paging in ("index", "cursor", "batch", "single"))
LEGACY = BATCHED | SINGLE

_HERE = "/mdm/v2"
_MOVED = "/mdm/v2-moved"
#: The prefix of the legacy service's paths after it has moved.
_AWAY = "/moved"
_DRIP_SECONDS = 0.2
_STATES = {"revoked": (9625, "Revoked sToken"), "expired": (9621, "Expired sToken"), "wrong": (9622, "Invalid token")}


@dataclass(frozen=True)
class Call:
    """One request: what its answer depends on."""

    request: Request
    resource: str
    location: SimulatedLocation
    token: str
    #: The number of the page, the step or the batch.
    index: int
    body: dict[str, Any]


class Apple:
    """The endpoints that Apple has."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Return the routes."""
        v2 = {**INDEXED, **CURSORED}
        pages = [Route(base + path, self._v2(name)) for base in (_HERE, _MOVED) for name, path in v2.items()]
        config = self._v2("client/config")
        pages += [Route(f"{base}/client/config", config, methods=["GET", "POST"]) for base in (_HERE, _MOVED)]
        paths = [(base + path, name) for base in ("", _AWAY) for name, path in LEGACY.items()]
        legacy = [Route(path, self._v1(name), methods=["POST"]) for path, name in paths]
        configs = [
            Route(f"{_HERE}/service/config", self.service_config),
            Route("/mdm/VPPServiceConfigSrv", self.legacy_config),
        ]
        return [*pages, *legacy, *configs]

    async def service_config(self, request: Request) -> Response:
        """Answer the limits and addresses; this needs no token."""
        await self._wait()
        limits = {"maxAssets": 25, "maxUsers": 100}
        if self._world.switches.rate is not None:
            limits["maxRequestPerSecond"] = self._world.switches.rate
        codes = [{"errorNumber": 9646, "errorMessage": "Too many requests"}]
        urls = self._urls(str(request.base_url).rstrip("/"))
        return JSONResponse({"limits": limits, "notificationTypes": EVERY_TYPE, "urls": urls, "errorCodes": codes})

    async def legacy_config(self, request: Request) -> Response:
        """Answer the addresses of the legacy service; this needs no token either."""
        await self._wait()
        origin = str(request.base_url).rstrip("/")
        base = {"usual": origin, "moved": origin + _AWAY, "elsewhere": "http://127.0.0.2:9"}[
            self._world.switches.legacy
        ]
        urls = {f"{path.rsplit('/', 1)[-1]}Url": base + path for path in LEGACY.values()}
        return JSONResponse({"status": 0, "maxBatchAssociateLicenseCount": 50, "errorCodes": [], **urls})

    def _urls(self, origin: str) -> dict[str, str]:
        bases = {"usual": origin + _HERE, "moved": origin + _MOVED, "elsewhere": "http://127.0.0.2:9" + _HERE}
        state = self._world.switches.urls
        base = bases.get(state)
        if base is None:
            return {}
        names = {"getAssets": "/assets", "getAssignments": "/assignments", "getUsers": "/users"}
        paths = names | {"clientConfig": "/client/config"}
        store = {"usual": origin + LOOKUP, "moved": origin + LOOKUP_MOVED, "elsewhere": "http://127.0.0.2:9" + LOOKUP}
        return {name: base + path for name, path in paths.items()} | {"contentMetadataLookup": store[state]}

    def _v2(self, resource: str) -> Callable[[Request], Any]:
        answers = {"client/config": self._client_config} | dict.fromkeys(INDEXED, self._page)
        answer = answers.get(resource, self._step)

        async def endpoint(request: Request) -> Response:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            body = await request.json() if request.method == "POST" else {}
            return await self._counted(request, resource, token, body, answer)

        return endpoint

    def _v1(self, resource: str) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.json()
            token = body.get("sToken", "")
            location = self._world.of_token(token)
            if location is not None and ("authorization" in request.headers or token in str(request.url)):
                location.traffic.leaks += 1
            answer = self._everything if resource in SINGLE else self._batch
            return await self._counted(request, resource, token, body, answer)

        return endpoint

    async def _counted(self, request: Request, resource: str, token: str, body: Any, answer: Any) -> Response:
        location = self._world.of_token(token)
        if location is None:
            await self._wait()
            return self.error(resource, 401, 9622, "Invalid authentication token")
        index = self._index(request, resource, location, body)
        if index is None:
            return self.error(resource, 400, 9812, "Invalid cursor")
        try:
            with location.traffic.arrive(is_chained=resource in CURSORED):
                return await self._answer(Call(request, resource, location, token, index, body), answer)
        except TooMany:
            return self.error(resource, 429, 9646, "There are too many requests for the current Organization")

    def _index(self, request: Request, resource: str, location: SimulatedLocation, body: Any) -> int | None:
        if resource in CURSORED:
            return location.cursors.step(resource, request.query_params.get("cursor"))
        if resource in BATCHED:
            return int(body.get("overrideIndex", 0))
        text = request.query_params.get("pageIndex", "0")
        return int(text) if text.isdecimal() else -1

    async def _answer(self, call: Call, answer: Callable[[Call], Response]) -> Response:
        location, resource = call.location, call.resource
        location.change(resource, location.traffic.note(resource, _label(call), call.request.url.path))
        fault = location.fault(resource, call.index, of_asset="adamId" in call.request.query_params)
        if fault is not None and fault.kind == "drip":
            return await _drip()
        await self._wait()
        if resource in LEGACY and self._world.switches.legacy != "usual" and call.request.url.path == LEGACY[resource]:
            return self.error(resource, 200, 9617, "The URL has moved")
        state = location.tokens[call.token]
        if state != "valid":
            number, words = _STATES[state]
            return self.error(resource, 401, number, words)
        if call.request.method == "POST" and resource not in LEGACY:
            return await self._configure(call)
        if fault is not None:
            return self._spoil(fault, call, answer(call))
        return answer(call)

    async def _configure(self, call: Call) -> Response:
        """Store the settings of a client; its receiver is tested before the answer."""
        owner = call.body.get("mdmInfo")
        if owner is not None and set(owner) != {"id", "name", "metadata"}:
            return self.error(call.resource, 400, 9723, "An mdmInfo needs its id, name and metadata")
        try:
            await asyncio.to_thread(call.location.subscription.configure, call.body)
        except RefusedConfig as refused:
            return self.error(call.resource, 400, refused.number, str(refused))
        if owner is not None:
            call.location.organisation.owner = owner
            call.location.pages.forget()
        return self._client_config(call)

    def _page(self, call: Call) -> Response:
        listing, query = call.location.organisation.listings[call.resource], call.request.query_params
        since = query.get("sinceVersionId")
        if since is not None and (not CATALOGUE[call.resource].has_versions or since not in listing.versions):
            return self.error(call.resource, 400, 9721, "Invalid version id")
        asset = (query["adamId"], query.get("pricingParam", "STDQ")) if "adamId" in query else None
        cut = Cut(call.resource, None if since is None else listing.versions[since], asset)
        pages = call.location.pages
        is_beyond = not 0 <= call.index < pages.total(cut)
        if is_beyond and self._world.switches.beyond_end == "9650":
            return self.error(call.resource, 400, 9650, "Page index must be less than the total number of pages")
        return _send(call.request, pages.page(cut, call.index, call.location.expires))

    def _step(self, call: Call) -> Response:
        return _send(call.request, call.location.cursors.page(call.resource, call.index, call.location.expires))

    def _batch(self, call: Call) -> Response:
        batches, token, expires = call.location.batches, call.body.get("batchToken"), call.location.expires
        if token is None:
            rendered = batches.first(call.resource, call.body.get("sinceModifiedToken"), expires)
        else:
            rendered = batches.numbered(call.resource, token, call.body.get("overrideIndex"), expires)
        if rendered is None:
            return self.error(call.resource, 200, 9633, "The batch data could not be recovered")
        return _send(call.request, rendered)

    def _everything(self, call: Call) -> Response:
        return _send(call.request, call.location.batches.everything(call.resource, call.location.expires))

    def _client_config(self, call: Call) -> Response:
        organisation = call.location.organisation
        config = {
            "countryISO2ACode": organisation.country,
            "defaultPlatform": "enterprisestore",
            "locationName": organisation.name,
            "mdmInfo": organisation.owner,
            **call.location.subscription.described(),
            "tokenExpirationDate": call.location.expires,
            "uId": organisation.uid,
        }
        return JSONResponse(config)

    def error(self, resource: str, status: int, number: int, words: str) -> Response:
        """Answer with an error in Apple's shape; the legacy service always has the HTTP status 200."""
        body: dict[str, Any] = {"errorNumber": number, "errorMessage": words}
        if resource in LEGACY:
            return JSONResponse({"status": -1, **body})
        return JSONResponse(body, 200 if self._world.switches.errors == "200" else status)

    async def _wait(self) -> None:
        switches = self._world.switches
        jitter = random.uniform(-switches.jitter, switches.jitter) if switches.jitter else 0.0  # noqa: S311 - no secret
        await asyncio.sleep(max(0.0, switches.latency + jitter))

    def _spoil(self, fault: Fault, call: Call, answer: Response) -> Response:
        page: dict[str, Any] = json.loads(_plain(answer)) if call.resource in CATALOGUE else {}
        member = CATALOGUE[call.resource].member if call.resource in CATALOGUE else ""
        error: dict[str, Any] = {"errorNumber": fault.number, "errorMessage": "As scripted"}
        bodies: dict[str, Any] = {
            "error": {"status": -1, **error} if call.resource in LEGACY else error,
            "status": b"",
            "html": b"<html><body><h1>Please sign in</h1></body></html>",
            "truncated": json.dumps(page).encode()[: -len(json.dumps(page)) // 2],
            "shape": {member: {"surprise": [1, 2, 3]}},
            "lost": {name: value for name, value in page.items() if name != member},
            "no-token": {name: value for name, value in page.items() if not name.endswith("Token")},
            "other-location": page | {"uId": "999"},
            "other-owner": page | {"mdmInfo": {"id": "other", "name": "Other", "metadata": ""}},
            "garbage-after-gzip": b"this is not gzip",
        }
        body = bodies[fault.kind]
        headers = dict(fault.headers)
        if fault.kind == "garbage-after-gzip":
            headers["Content-Encoding"] = "gzip"
        status = fault.status if fault.kind in {"error", "status", "html"} else 200
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(content, status, headers, media_type="application/json")


def _label(call: Call) -> str:
    """Name the page for the count: pages of a list of changes, or of one asset, are others than those of the whole."""
    query = call.request.query_params
    if "sinceVersionId" in query or "sinceModifiedToken" in call.body:
        return f"{call.resource}/since/{call.index}"
    if "adamId" in query:
        return f"{call.resource}/{query['adamId']}/{call.index}"
    return f"{call.resource}/{call.index}"


def _plain(answer: Response) -> bytes:
    body = bytes(answer.body)
    return gzip.decompress(body) if answer.headers.get("content-encoding") == "gzip" else body


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
