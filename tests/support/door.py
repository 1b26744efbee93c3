"""The console and the API as a process serves them, in a thread of the test's own process."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import uvicorn

from entrypoints.web.background import BackgroundBuild
from entrypoints.web.console.visitors import DoorPolicy
from entrypoints.web.protocol import TimedProtocol
from entrypoints.web.server import listen
from entrypoints.web.site import make_site
from tasks.services import Services

_SECONDS = 20


@dataclass(kw_only=True)
class Door:
    """A running console."""

    origin: str
    services: Services
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask for a page, as a browser does unless headers say otherwise."""
        return self._send("GET", path, None, {"Accept": "text/html"} | headers)

    def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> requests.Response:
        """Send a form, as a page of ours does unless headers say otherwise."""
        return self._send("POST", path, form or {}, {"Accept": "text/html", "Origin": self.origin} | headers)

    def api(self, path: str, token: str | None = None, method: str = "GET", **options: Any) -> requests.Response:
        """Call the API."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers |= options.pop("headers", {})
        url = f"{self.origin}/api/v1/{path}"
        return self.session.request(method, url, headers=headers, timeout=_SECONDS, **options)

    def _send(self, method: str, path: str, form: Any, headers: dict[str, str]) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(
            method, f"{self.origin}{path}", data=form, headers=named, timeout=_SECONDS, allow_redirects=False
        )


@contextlib.contextmanager
def serving(services: Services, policy: DoorPolicy, trust: str = "127.0.0.1") -> Iterator[Door]:
    """Serve for the length of the block."""
    background = BackgroundBuild(lambda: services)
    background.start()
    app, close = make_site(background, policy, trust)
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, http=TimedProtocol, log_config=None, access_log=False, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    door = Door(origin=f"http://127.0.0.1:{listener.getsockname()[1]}", services=services)
    door.session.trust_env = False
    try:
        yield door
    finally:
        door.session.close()
        close()
        server.should_exit = True
        thread.join(_SECONDS)
        listener.close()
