"""Apple in this process: a request goes to an application instead of a network."""

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from apple.client import Client
from apple.local import LocalSessions
from apple.questions import Question
from apple.resources import RESOURCES
from apple.tokens import parse_token
from simulator.server import make_app
from simulator.switches import Switches
from simulator.world import make_world
from tests.simulator.local import SMALL


class _Moment:
    """Something to await: each await hands the application's wait to whoever runs it."""

    def __await__(self) -> Any:
        yield


async def echo(request: Request) -> Response:
    """Answer with the request as it came."""
    body = await request.body()
    return JSONResponse(
        {
            "method": request.method,
            "path": request.url.path,
            "query": dict(request.query_params),
            "host": request.headers["host"],
            "authorization": request.headers.get("authorization"),
            "body": body.decode(),
        },
        status_code=201,
        headers={"Retry-After": "7"},
    )


async def slow(_: Request) -> Response:
    """Answer after three waits."""
    for _number in range(3):
        await _Moment()
    return Response(b"at last")


async def broken(_: Request) -> Response:
    """Fail."""
    raise KeyError("a bug")


APP = Starlette(
    routes=[
        Route("/slow", slow),
        Route("/broken", broken),
        Route("/{path:path}", echo, methods=["GET", "POST"]),
    ]
)


def test_a_request_arrives_as_it_was_sent():
    """Method, path, query, headers and body reach the application, and the answer comes back whole."""
    session = LocalSessions(APP).mine()
    answer = session.post(
        "http://apple/a%20b?x=%C3%A4", data="body", headers={"Authorization": "Bearer secret"}, timeout=1
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (201, "7")
    assert answer.json() == {
        "method": "POST",
        "path": "/a b",
        "query": {"x": "ä"},
        "host": "apple",
        "authorization": "Bearer secret",
        "body": "body",
    }


def test_time_passes_where_apple_takes_its_time():
    """Each wait of the application is handed to the caller, who may let time pass, or others run."""
    waits: list[object] = []
    session = LocalSessions(APP, waits.append).mine()
    assert session.get("http://apple/slow", timeout=1).content == b"at last"
    assert len(waits) == 3


def test_a_request_may_be_cut_off():
    """A client that dies while Apple takes its time ends the application's work at once."""

    class Killed(BaseException):
        """The end of a process."""

    def kill(close) -> None:
        close()
        raise Killed

    session = LocalSessions(APP, kill).mine()
    with pytest.raises(Killed):
        session.get("http://apple/slow", timeout=1)


def test_a_bug_of_the_application_is_raised():
    """A mistake of a test's Apple is no answer: it is raised where the test sees it."""
    with pytest.raises(KeyError, match="a bug"):
        LocalSessions(APP).mine().get("http://apple/broken", timeout=1)


def test_there_is_one_session():
    """No connection is kept: the session is the same, whatever is dropped."""
    sessions = LocalSessions(APP)
    before = sessions.mine()
    sessions.drop()
    assert sessions.mine() is before


def test_the_client_does_not_know_the_difference():
    """The real client reads a page of the simulated Apple, without a server."""
    world = make_world(1, SMALL, 1, Switches(latency=0.0))
    [location] = world.locations.values()
    client = Client("http://apple", sessions=LocalSessions(make_app(world)))
    token = parse_token(location.token.encode())
    answer = client.prepare_page(Question(resource=RESOURCES["users"]), token)()
    assert len(json.loads(answer.body)["users"]) == 10
    config = client.prepare_client_config(token)()
    assert json.loads(config.body)["uId"] == location.organisation.uid
    assert client.service_config().urls
