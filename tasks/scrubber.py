"""The scrubber: removes from a value whatever could be a secret, or an address of a person."""

import re
from collections.abc import Sequence
from typing import Any

#: A run of the base64 alphabet this long could be a token, a key or a secret.
_SECRET_LIKE = re.compile(r"[A-Za-z0-9+/=_-]{40,}")

#: `scheme://user:password@host`.
_PASSWORD = re.compile(r"(://[^/\s:@]*):[^/\s@]+@")

#: An address of a person.
_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\.[A-Za-z]{2,}")

_DEEPEST = 30


class Scrubber:
    """Removes whatever could be a secret."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """Return a value without it: a text, or whatever is made of texts."""
        if depth > _DEEPEST:
            return "…"
        if isinstance(value, str):
            return self._clean(value)
        if isinstance(value, dict):
            return {self(name, depth + 1): self(one, depth + 1) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self(one, depth + 1) for one in value]
        return value

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        text = _ADDRESS.sub("…", text)
        return _PASSWORD.sub(r"\1:…@", _SECRET_LIKE.sub("…", text))
