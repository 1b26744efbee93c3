"""A Sentry that keeps the envelopes it is sent."""

import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Sink:
    """What came."""

    dsn: str = ""
    raw: list[bytes] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        """Return the events among what came."""
        return [payload for kind, payload in self._items() if kind == "event"]

    def check_ins(self) -> list[dict[str, Any]]:
        """Return what the scheduler's monitors said."""
        return [payload for kind, payload in self._items() if kind == "check_in"]

    def _items(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for envelope in list(self.raw):
            lines = envelope.split(b"\n")
            for header, payload in zip(lines[1::2], lines[2::2], strict=False):
                kind = json.loads(header or b"{}").get("type")
                if kind in {"event", "check_in"}:
                    yield kind, json.loads(payload)


@contextlib.contextmanager
def running_sink() -> Iterator[Sink]:
    """Listen for envelopes for the length of the block."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.raw.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    sink.dsn = f"http://public@127.0.0.1:{server.server_address[1]}/1"
    try:
        yield sink
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
