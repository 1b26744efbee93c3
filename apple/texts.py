"""Foreign texts: shown on one line, without control characters and without anything that could be a token."""

import re

#: Apple's texts are shown to people; a run this long of the base64 alphabet could be a token.
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9+/=_-]{40,}")

#: No text of Apple's is worth more of a terminal than this.
_TEXT_LIMIT = 300


def clean(text: str) -> str:
    """Write a foreign text on one line, without anything that a terminal would obey."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "·" for one in text)


def masked(text: str) -> str:
    """Shorten a foreign text, clean it, and hide whatever in it could be a token."""
    return _TOKEN_LIKE.sub("…", clean(" ".join(text.split())[:_TEXT_LIMIT]))
