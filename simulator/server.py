"""The simulator as a server on a port of this machine."""

import json
import socket
from collections.abc import Callable
from typing import TextIO

import uvicorn
from starlette.applications import Starlette

from .answers import Apple
from .control import Control
from .metadata import Metadata
from .world import World


def make_app(world: World) -> Starlette:
    """Return the application: Apple's endpoints and those of control."""
    return Starlette(routes=[*Apple(world).routes(), *Metadata(world).routes(), *Control(world).routes()])


def serve(world: World, listener: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve until stopped. The origin is announced at once: the socket listens already."""
    host, port = listener.getsockname()[:2]
    announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    config = uvicorn.Config(make_app(world), log_level="warning", access_log=False, timeout_keep_alive=75)
    uvicorn.Server(config).run(sockets=[listener])


def announce_to(stream: TextIO, world: World) -> Callable[[str], None]:
    """Return a function that writes the origin and the locations as one line of JSON."""

    def announce(origin: str) -> None:
        every = world.locations.values()
        locations = [{"uid": one.organisation.uid, "name": one.organisation.name, "token": one.token} for one in every]
        print(json.dumps({"origin": origin, "locations": locations}), file=stream, flush=True)

    return announce
