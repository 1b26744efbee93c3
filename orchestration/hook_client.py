"""The client of hooks: one POST, of which the status alone counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

#: For a connection, and for the answer.
_SECONDS = (5.0, 15.0)

#: A longer rest is not granted: whoever asks for it is asked again then.
LONGEST_REST_SECONDS = 24 * 3600.0

#: Statuses: it took it; it is there no more; it would take nothing else either.
_OK = range(200, 300)
_GONE = 410
_DOWN = {429, 502, 503, 504}


@dataclass(frozen=True, kw_only=True)
class HookAnswer:
    """How a hook answered: its status, or why there is none."""

    status: int | None
    words: str
    retry_after: float | None = None

    @property
    def is_taken(self) -> bool:
        """Return whether the hook took what it was sent."""
        return self.status in _OK

    @property
    def is_gone(self) -> bool:
        """Return whether it says that it is there no more."""
        return self.status == _GONE

    @property
    def is_down(self) -> bool:
        """Return whether it would take nothing else either."""
        return self.status is None or self.status in _DOWN


def post(url: str, headers: Mapping[str, str], body: bytes) -> HookAnswer:
    """Send something to a hook."""
    try:
        with requests.post(
            url, data=body, headers=dict(headers), timeout=_SECONDS, allow_redirects=False, stream=True
        ) as answer:
            words = f"It answered with status {answer.status_code}."
            asked = read_retry_after(answer.headers.get("Retry-After", ""), datetime.now(UTC))
            return HookAnswer(status=answer.status_code, words=words, retry_after=asked)
    except (requests.RequestException, ValueError) as error:  # the second: an address that only a resolver refuses
        return HookAnswer(status=None, words=f"It does not answer ({type(error).__name__}).")


def read_retry_after(text: str, now: datetime) -> float | None:
    """Return for how many seconds a hook wants to be left alone: it says so as a number, or as a moment."""
    if text.isascii() and text.isdecimal():
        return min(float(text[:18]), LONGEST_REST_SECONDS)
    try:
        seconds = (parsedate_to_datetime(text) - now).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.0), LONGEST_REST_SECONDS)


def shown(url: str) -> str:
    """Return what may be shown of an address: where it is, and nothing that could be a secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}/…"
