"""Those who are told: a receiver of webhooks and a mailbox, each a real server on a free port."""

import contextlib
import email
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from .servers import free_port


@dataclass
class Receiver:
    """A receiver of webhooks: what came, and how it answers."""

    url: str = ""
    #: The headers and the body of each delivery, in the order in which they came.
    deliveries: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    #: Returns the status of the answer to a body.
    answer: Callable[[bytes], int] = lambda _: 204
    headers: dict[str, str] = field(default_factory=dict)

    def events(self) -> list[dict[str, Any]]:
        """Return the bodies."""
        return [json.loads(body) for _, body in self.deliveries]


@contextlib.contextmanager
def running_receiver() -> Iterator[Receiver]:
    """Run a receiver for the length of the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.deliveries.append((dict(self.headers.items()), body))
            self.send_response(receiver.answer(body))
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """A mailbox: what came."""

    #: The address of the mailbox, as Apprise has it, with a password that must not be shown.
    url: str = ""
    mails: list[Message] = field(default_factory=list)
    #: Whether mails are taken.
    is_open: bool = True

    def texts(self) -> list[str]:
        """Return subject and text of each mail."""
        return [f"{mail['Subject']}\n{_text(mail)}" for mail in self.mails]


def _text(mail: Message) -> str:
    part = next(one for one in mail.walk() if one.get_content_type() == "text/plain")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


@contextlib.contextmanager
def running_mailbox() -> Iterator[Mailbox]:
    """Run an SMTP server for the length of the block."""
    mailbox = Mailbox()

    class Handler:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
            if not mailbox.is_open:
                return "451 Try again later"
            mailbox.mails.append(email.message_from_bytes(envelope.content))
            return "250 OK"

    port = free_port()
    controller = Controller(Handler(), hostname="127.0.0.1", port=port, auth_required=False)
    controller.start()
    mailbox.url = f"mailto://127.0.0.1:{port}?from=pageturner@example.org&to=it@example.org&mode=insecure&format=text"
    try:
        yield mailbox
    finally:
        controller.stop()
