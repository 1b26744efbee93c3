"""The `requests` session of each thread, which says on which connection a request travels."""

import contextlib
import threading
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .deadline import TimedCall

_USER_AGENT = "Pageturner"

_now = threading.local()


@contextlib.contextmanager
def announcing(call: TimedCall) -> Iterator[None]:
    """Attach the connections of this thread to this call, so that its deadline can close them."""
    _now.call = call
    try:
        yield
    finally:
        _now.call = None


class _Announcing:
    """A mixin of connections: it attaches itself to the call that it serves, and sends no request that is overdue."""

    sock: Any

    def request(self, *args: Any, **kwargs: Any) -> None:
        call: TimedCall | None = getattr(_now, "call", None)
        if call is not None:
            call.connection = self
            if self.sock is None:
                self.connect()  # type: ignore[attr-defined]
            if call.is_overdue():  # resolving the name took too long: the permit of the request has lapsed
                raise TimeoutError
        super().request(*args, **kwargs)  # type: ignore[misc]
        if call is not None:
            call.socket = self.sock


class _Plain(_Announcing, HTTPConnection):
    pass


class _Secure(_Announcing, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    """An adapter for requests to one address after the other: it looks for their pool of connections once."""

    #: What the last request was sent to and with, and the pool for it. There is one pool at a time.
    _pool: tuple[Any, Any] = (None, None)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """Return the pool for a request; the last one if that was for the same address, proxies and certificates."""
        asked = ((request.url or "").partition("?")[0], verify, cert, proxies)
        if self._pool[0] != asked:
            self._pool = asked, super().get_connection_with_tls_context(request, verify, proxies, cert)
        pool: HTTPConnectionPool = self._pool[1]
        return pool

    def close(self) -> None:
        """Close the connections."""
        self._pool = (None, None)
        super().close()


class SessionSource(Protocol):
    """The source of a client's sessions."""

    def mine(self) -> requests.Session:
        """Return this thread's session."""

    def drop(self) -> None:
        """Forget this thread's session: what was cut off must not be used again."""


class Sessions:
    """Sessions over the network: one a thread, with keep-alive."""

    def __init__(self) -> None:
        self._local = threading.local()

    def mine(self) -> requests.Session:
        """Return this thread's session."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self._new()
        return session

    def drop(self) -> None:
        """Close this thread's session: what was cut off must not be used again."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            del self._local.session

    def _new(self) -> requests.Session:
        session = requests.Session()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a thread serves many locations
        session.headers.update({"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"})
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter(pool_connections=1, pool_maxsize=1))
        return session
