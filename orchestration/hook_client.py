"""The client of hooks: one POST, of which the status alone counts."""

from collections.abc import Mapping
from dataclasses import dataclass

import requests

from apple.texts import masked

#: For a connection, and for the answer.
_SECONDS = (5.0, 15.0)

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
            asked = answer.headers.get("Retry-After", "")
            seconds = float(asked) if asked.isdecimal() else None
            return HookAnswer(
                status=answer.status_code, words=f"It answered with status {answer.status_code}.", retry_after=seconds
            )
    except requests.RequestException as error:
        return HookAnswer(status=None, words=f"It does not answer ({masked(type(error).__name__)}).")
