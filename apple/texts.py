"""Foreign texts: shown on one line, without control characters and without anything that could be a token."""

import re

#: Apple's texts are shown to people; a run this long of the base64 alphabet could be a token.
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9+/=_-]{40,}")

#: The longest text of Apple's that is shown.
_TEXT_LIMIT = 300


def clean(text: str) -> str:
    """Return a foreign text on one line, without control characters."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "·" for one in text)


def masked(text: str) -> str:
    """Return a foreign text shortened, cleaned, and without anything that could be a token."""
    return _TOKEN_LIKE.sub("…", clean(" ".join(text.split())[:_TEXT_LIMIT]))
