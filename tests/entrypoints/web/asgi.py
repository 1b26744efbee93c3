"""One request to an ASGI application in this process, part by part, as a network brings it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Answered:
    """How a request was answered."""

    status: int
    headers: dict[str, str]


async def ask(
    app: Any,
    path: str,
    *parts: bytes,
    method: str = "POST",
    bearer: str | None = None,
    client: str = "192.0.2.7",
    is_cut_off: bool = False,
    **headers: str,
) -> Answered:
    """Send a request whose body comes in parts; cut off, its client leaves before the last of them."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if bearer is not None:
        sent["authorization"] = f"Bearer {bearer}"
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": (client, 4711),
        "server": ("127.0.0.1", 80),
    }
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if is_cut_off:
        messages.append({"type": "http.disconnect"})
    else:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    answer: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        answer.append(message)

    await app(scope, receive, send)
    start = answer[0]
    names = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answered(status=start["status"], headers=names)


def ask_all(app: Any, path: str, bodies: Sequence[bytes], **more: Any) -> list[Answered]:
    """Send some requests side by side, and return how each was answered."""

    async def run() -> list[Answered]:
        return list(await asyncio.gather(*(ask(app, path, body, **more) for body in bodies)))

    return asyncio.run(run())
