"""Apple in this process: requests go to an ASGI application instead of a network, and take virtual time."""

import io
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

#: An ASGI application: `simulator.server.make_app` makes one that answers as Apple does.
Application = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


#: Called whenever the application waits, as Apple takes its time; its argument ends the request from outside, as
#: the end of the client's process would.
Pause = Callable[[Callable[[], None]], None]


class LocalSessions:
    """Sessions whose requests an application in this process answers."""

    def __init__(self, application: Application, pause: Pause = lambda _: None) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip"})
        adapter = _LocalAdapter(application, pause)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)

    def mine(self) -> requests.Session:
        """Return the one session: it keeps no connection."""
        return self._session

    def drop(self) -> None:
        """Do nothing: there is no connection to close."""


class _LocalAdapter(BaseAdapter):
    """Steps the application through a request."""

    def __init__(self, application: Application, pause: Pause) -> None:
        super().__init__()
        self._application = application
        self._pause = pause

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Answer a request."""
        answer = _Answer(request)
        running = self._application(_scope(request), answer.receive, answer.send)
        try:
            while True:
                running.send(None)
                self._pause(running.close)
        except StopIteration:
            return answer.response()
        finally:
            running.close()

    def close(self) -> None:
        """Do nothing: there is no connection to close."""


class _Answer:
    """One request and its answer, as an ASGI application receives and sends them."""

    def __init__(self, request: requests.PreparedRequest) -> None:
        self._request = request
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()

    async def receive(self) -> dict[str, Any]:
        """Return the whole body of the request."""
        body = self._request.body or b""
        return {"type": "http.request", "body": body.encode() if isinstance(body, str) else body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        """Receive a part of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self._body += message.get("body", b"")

    def response(self) -> requests.Response:
        """Return the answer as a response of `requests`."""
        response = requests.Response()
        response.status_code = self._status
        response.headers.update(self._headers)
        body = io.BytesIO(bytes(self._body))
        response.raw = HTTPResponse(body=body, headers=dict(self._headers), status=self._status, preload_content=False)
        response.request = self._request
        return response


def _scope(request: requests.PreparedRequest) -> dict[str, Any]:
    url = urlsplit(request.url or "")
    headers = [(str(name).lower().encode(), str(value).encode()) for name, value in request.headers.items()]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": unquote(url.path),
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "root_path": "",
        "headers": [*headers, (b"host", url.netloc.encode())],
        "client": ("127.0.0.1", 0),
        "server": (url.hostname, url.port),
    }
