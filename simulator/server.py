"""The simulator as a server on a port of this machine."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import TextIO

import uvicorn
from starlette.applications import Starlette

from .answers import Apple
from .control import Control
from .life import DailyLife
from .metadata import Metadata
from .world import World


def make_app(world: World, life: DailyLife | None = None) -> Starlette:
    """Return the application: Apple's endpoints and those of control. With a life, the data change by themselves."""

    @contextlib.asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        changing = None if life is None else asyncio.create_task(life.run())
        yield
        if changing is not None:
            changing.cancel()

    routes = [*Apple(world).routes(), *Metadata(world).routes(), *Control(world).routes()]
    return Starlette(routes=routes, lifespan=living)


def serve(
    world: World, listener: socket.socket, announce: Callable[[str], None], life: DailyLife | None = None
) -> None:
    """Serve until stopped. The origin is announced at once: the socket listens already."""
    host, port = listener.getsockname()[:2]
    announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    config = uvicorn.Config(make_app(world, life), log_level="warning", access_log=False, timeout_keep_alive=75)
    uvicorn.Server(config).run(sockets=[listener])


def announce_to(stream: TextIO, world: World) -> Callable[[str], None]:
    """Return a function that writes the origin and the locations as one line of JSON."""

    def announce(origin: str) -> None:
        every = world.locations.values()
        locations = [{"uid": one.organisation.uid, "name": one.organisation.name, "token": one.token} for one in every]
        print(json.dumps({"origin": origin, "locations": locations}), file=stream, flush=True)

    return announce
