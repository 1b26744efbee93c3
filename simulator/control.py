"""The endpoints that Apple does not have: the true records, the traffic, and trouble on demand."""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .location import SimulatedLocation
from .renderer import Cut
from .traffic import Traffic
from .trouble import read_changes, read_faults
from .world import World

_LINES_AT_ONCE = 1000


class Control:
    """The endpoints for tests and the demo, all under `/simulator`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """List the endpoints."""
        return [
            Route("/simulator/locations", self.locations),
            Route("/simulator/truth/{uid}/{resource}", self.truth),
            Route("/simulator/traffic/{uid}", self.traffic, methods=["GET", "DELETE"]),
            Route("/simulator/changes/{uid}", self.changes, methods=["POST", "DELETE"]),
            Route("/simulator/faults/{uid}", self.faults, methods=["POST"]),
            Route("/simulator/tokens/{uid}", self.tokens, methods=["POST"]),
            Route("/simulator/notices/{uid}", self.notices),
            Route("/simulator/owner/{uid}", self.owner, methods=["POST"]),
            Route("/simulator/expire/{uid}", self.expire, methods=["POST"]),
            Route("/simulator/switches", self.switches, methods=["POST"]),
        ]

    async def locations(self, _: Request) -> Response:
        """List the locations with their tokens."""
        every = self._world.locations.values()
        return JSONResponse(
            [{"uid": one.organisation.uid, "name": one.organisation.name, "token": one.token} for one in every]
        )

    async def truth(self, request: Request) -> Response:
        """Return the exact records of a resource, one a line."""
        records = self._of(request).rendering.records(Cut(request.path_params["resource"]))

        def lines() -> Iterator[bytes]:
            for start in range(0, len(records), _LINES_AT_ONCE):
                yield b"".join(record + b"\n" for record in records[start : start + _LINES_AT_ONCE])

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def traffic(self, request: Request) -> Response:
        """Return what was counted; DELETE starts the count again."""
        location = self._of(request)
        report = location.traffic.report()
        if request.method == "DELETE":
            location.traffic = Traffic(rate=self._world.switches.rate, in_flight=location.traffic.in_flight)
        return JSONResponse(report)

    async def changes(self, request: Request) -> Response:
        """Change the data: changes for a later request wait, the others happen now. DELETE drops those that wait."""
        location = self._of(request)
        if request.method == "DELETE":
            waiting, location.changes = location.changes, []
            location.apply(waiting)
            return JSONResponse({"waiting": 0})
        changes = read_changes(await request.json())
        location.changes += [one for one in changes if one.at_request is not None]
        location.apply([one for one in changes if one.at_request is None])
        return JSONResponse({"waiting": len(location.changes)})

    async def faults(self, request: Request) -> Response:
        """Set the faults to come."""
        location = self._of(request)
        location.faults = read_faults(await request.json())
        return JSONResponse({"waiting": len(location.faults)})

    async def tokens(self, request: Request) -> Response:
        """Issue a new token (which revokes the others), or set the state of the newest or its end."""
        location = self._of(request)
        wanted = await request.json()
        if not wanted:
            location.give_token()
        if "state" in wanted:
            location.tokens[location.token] = wanted["state"]
        if "expires" in wanted:
            location.expires = wanted["expires"]
            location.pages.forget()
        return JSONResponse({"token": location.token})

    async def notices(self, request: Request) -> Response:
        """Return which notices were sent, and how each was answered."""
        return JSONResponse(self._of(request).subscription.deliveries)

    async def owner(self, request: Request) -> Response:
        """Set which service manages the location."""
        location = self._of(request)
        location.organisation.owner = await request.json()
        location.pages.forget()
        return JSONResponse({})

    async def expire(self, request: Request) -> Response:
        """Let versions, cursors or batches expire."""
        for what in await request.json():
            self._of(request).expire(what)
        return JSONResponse({})

    async def switches(self, request: Request) -> Response:
        """Turn switches."""
        wanted: dict[str, Any] = await request.json()
        try:
            self._world.turn(wanted)
        except ValueError as error:
            return JSONResponse({"problem": str(error)}, 400)
        return JSONResponse(vars(self._world.switches))

    def _of(self, request: Request) -> SimulatedLocation:
        return self._world.locations[request.path_params["uid"]]
