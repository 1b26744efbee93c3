"""Apple's notices, sent by hand: right ones, wrong ones, and a thousand a second."""

import asyncio
import http.client
import json
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


def make_notice(uid: str, type_: str = "ASSET_MANAGEMENT", **more: Any) -> dict[str, Any]:
    """Make a notice."""
    said = {"assignments": [], "eventId": "e", "result": "SUCCESS", "type": "ASSOCIATE"}
    envelope = {"notificationId": str(uuid.uuid4()), "notificationType": type_, "uId": uid}
    return {"notification": said, **envelope, **more}


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(url: str, body: bytes | dict[str, Any], bearer: str | None = None, **headers: str) -> Reply:
    """Send one request."""
    split = urlsplit(url)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **headers}
    if bearer is not None:
        sent["Authorization"] = f"Bearer {bearer}"
    connection = http.client.HTTPConnection(split.hostname or "", split.port, timeout=30)
    try:
        connection.request("POST", split.path, raw, sent)
        answer = connection.getresponse()
        kept = {name.lower(): value for name, value in answer.getheaders() if name.lower() != "date"}
        return Reply(answer.status, kept, answer.read())
    finally:
        connection.close()


@dataclass
class Burst:
    """What became of many notices that were sent in a short time."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """All but one in a hundred were answered within this."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


async def send_many(
    url: str, bearer: str, notices: Sequence[dict[str, Any]], *, within: float = 1.0, connections: int = 50
) -> Burst:
    """Send notices evenly over a time, over some connections."""
    burst, waiting = Burst(), asyncio.Queue[tuple[float, bytes]]()
    begun = time.monotonic()
    for number, notice in enumerate(notices):
        waiting.put_nowait((begun + number * within / len(notices), json.dumps(notice).encode()))
    split = urlsplit(url)

    async def work() -> None:
        reader, writer = await asyncio.open_connection(split.hostname, split.port)
        while not waiting.empty():
            moment, body = waiting.get_nowait()
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            head = f"POST {split.path} HTTP/1.1\r\nHost: receiver\r\nAuthorization: Bearer {bearer}\r\n"
            sent = time.monotonic()
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            burst.statuses[await _status(reader)] += 1
            burst.seconds.append(time.monotonic() - sent)
        writer.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return burst


async def _status(reader: asyncio.StreamReader) -> int:
    status = int((await reader.readline()).split()[1])
    length = 0
    while (line := await reader.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    await reader.readexactly(length)
    return status
