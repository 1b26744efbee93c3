"""A proxy before a server that can fall silent: connections stay open, and nothing goes through."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Passes bytes on while its way is open."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._is_open = threading.Event()
        self._is_open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._refuses = False
        self._loses_next = False
        #: How many connections were refused.
        self.refused = 0
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Pass nothing on: not what comes over the connections there are, nor over new ones."""
        self._is_open.clear()

    def refuse(self) -> None:
        """Have nobody answer any more: connections are broken off, and new ones refused."""
        self._refuses = True
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def lose_next(self) -> None:
        """Break a connection off instead of passing the next answer on: what was asked is done."""
        self._loses_next = True

    def accept(self) -> None:
        """Let connections in again."""
        self._refuses = False

    def speak(self) -> None:
        """Pass everything on again, what was held back first."""
        self._is_open.set()

    def close(self) -> None:
        """Close all connections."""
        self._is_open.set()
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._refuses:
                self.refused += 1
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:  # nobody is behind it just now
                near.close()
                continue
            self._sockets += [near, far]
            for pair in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:  # noqa: FBT001 - a thread's
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._is_open.wait()
                if is_answer and self._loses_next:
                    self._loses_next = False
                    break
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """Put a proxy before the server of a URL, and return the URL that goes through it."""
    split = urlsplit(url)
    proxy = Proxy(split.hostname or "", split.port or 0)
    user = f"{split.username}@" if split.username else ""
    try:
        yield proxy, urlunsplit(split._replace(netloc=f"{user}127.0.0.1:{proxy.port}"))
    finally:
        proxy.close()
