"""Icons of apps and books, from the servers of the store's images. They are asked without a token, and sent nothing."""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

#: What an icon of 128 pixels is far below.
_MOST_BYTES = 500_000

_CONNECT_SECONDS, _READ_SECONDS, _SECONDS = 3.0, 3.0, 8.0

#: How a picture of each kind begins. What the server says that it sends is not believed.
_KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_WEBP = (b"RIFF", b"WEBP")


@dataclass(frozen=True, kw_only=True)
class Icon:
    """A picture that a browser can show."""

    body: bytes
    kind: str


class IconServer:
    """Where icons come from: the address of each, or the server in the place of all that have them."""

    def __init__(self, instead: str | None = None) -> None:
        self._instead = instead
        self._session = requests.Session()
        self._session.auth = _nobody  # else a password of ~/.netrc might be sent

    def fetch(self, url: str) -> Icon | None:
        """Return the icon at an address; None if there is none that can be shown."""
        if self._instead is not None:
            url = f"{self._instead}/images{urlsplit(url).path}"
        until = time.monotonic() + _SECONDS
        body = b""
        try:
            times = (_CONNECT_SECONDS, _READ_SECONDS)
            with self._session.get(url, stream=True, timeout=times, allow_redirects=False) as answer:
                if answer.status_code != requests.codes.ok:
                    return None
                for block in answer.iter_content(16_384):
                    body += block
                    if len(body) > _MOST_BYTES or time.monotonic() > until:
                        return None
        except (requests.RequestException, OSError):
            return None
        return icon_of(body)


def icon_of(body: bytes) -> Icon | None:
    """Return a picture as what it is; None if it is none of those that are shown."""
    kind = next((kind for begin, kind in _KINDS.items() if body.startswith(begin)), None)
    if (body[:4], body[8:12]) == _WEBP:
        kind = "image/webp"
    return None if kind is None else Icon(body=body, kind=kind)


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
