"""The courier: brings a message to a channel, whatever kind of address that is."""

import re
from typing import Any
from urllib.parse import unquote

from apple.texts import masked

#: Shorter parts of an address are no secrets, and words of others' sentences.
_LEAST_PART = 5

_PARTS = re.compile(r"[^A-Za-z0-9_.~-]+")


def send(url: str, title: str, body: str) -> str | None:
    """Send a message; return why it was not taken, without the secrets of the address, or None."""
    from apprise import Apprise, LogCapture, OverflowMode
    from apprise.logger import logger

    logger.propagate = False  # it writes addresses, with what is secret in them
    receiver = Apprise()
    if not receiver.add(url):
        return "The address is of no kind that is known."
    for server in receiver:
        server.overflow_mode = OverflowMode.SPLIT  # a message that is too long for it comes in several
    with LogCapture(level=_WARNING, fmt="%(message)s") as captured:  # type: ignore[no-untyped-call] # it has no types
        if receiver.notify(title=title, body=body):
            return None
        words: Any = captured.getvalue()
    return f"It was not taken: {scrub(words, url) or 'no reason was given'}."


def is_known(url: str) -> bool:
    """Return whether an address is of a kind that is known."""
    from apprise import Apprise

    return bool(Apprise().add(url))


def scheme_of(url: str) -> str:
    """Return of which kind an address is: all of it that may be shown."""
    return url.partition(":")[0]


def scrub(words: str, url: str) -> str:
    """Return foreign words without any part of an address."""
    rest = url.partition(":")[2]
    for part in sorted({*_PARTS.split(rest), *_PARTS.split(unquote(rest)), *map(unquote, rest.split("/"))}, key=len)[
        ::-1
    ]:
        if len(part) >= _LEAST_PART:
            words = words.replace(part, "…")
    return masked(" ".join(words.split())).rstrip(". ")


_WARNING = 30
