"""ETags: whoever has an answer already is told so, and not sent it again."""

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ETags:
    """Adds an ETag to each answer that is a JSON document, and heeds If-None-Match."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def send_tagged(message: "Message") -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                if not _is_document(message):
                    await send(message)
                return
            if not _is_document(start):
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                await _answer(Headers(scope=scope), start, body, send)

        await self._app(scope, receive, send_tagged)


def _is_document(start: "Message") -> bool:
    kind = Headers(raw=start["headers"]).get("content-type", "")
    return start["status"] == HTTPStatus.OK and kind.startswith("application/json")


async def _answer(asked: Headers, start: "Message", body: bytes, send: "Send") -> None:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    known = [one.strip().removeprefix("W/") for one in asked.get("if-none-match", "").split(",")]
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["ETag"] = tag
    headers["Cache-Control"] = "private, no-cache"
    if tag in known or known == ["*"]:
        del headers["content-length"]
        await send({**start, "status": HTTPStatus.NOT_MODIFIED, "headers": headers.raw})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({**start, "headers": headers.raw})
    await send({"type": "http.response.body", "body": body})
