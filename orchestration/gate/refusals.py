"""Refusals: what a Redis says that is away, or that answers and does not do what it is asked. Pure."""

from enum import StrEnum

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from apple.texts import masked


class RedisRefusal(StrEnum):
    """Why a Redis does not do what it is asked."""

    AWAY = "away"  #: it does not answer
    PASSWORD = "password"  # noqa: S105 - the user or the password is not the right one
    PROTECTED = "protected"  #: it answers nobody from another host, since it has no password
    RIGHTS = "rights"  #: the user may not do that
    REPLICA = "replica"  #: it may only be read
    CROWDED = "crowded"  #: it has as many clients as it may have
    FULL = "full"  #: it has no memory left
    OTHER = "other"  #: something else


#: How a refusal begins for which the driver has no class.
_BEGINNINGS = {
    "DENIED": RedisRefusal.PROTECTED,
    "NOPERM": RedisRefusal.RIGHTS,
    "NOAUTH": RedisRefusal.PASSWORD,
    "WRONGPASS": RedisRefusal.PASSWORD,
    "max number of clients": RedisRefusal.CROWDED,
}

_CLASSES = {
    OutOfMemoryError: RedisRefusal.FULL,
    NoPermissionError: RedisRefusal.RIGHTS,
    AuthenticationError: RedisRefusal.PASSWORD,
    ReadOnlyError: RedisRefusal.REPLICA,
    ResponseError: RedisRefusal.OTHER,
}

#: A server's message can be a page long.
_LENGTH = 120


def classify(error: RedisError) -> RedisRefusal:
    """Return what kind of refusal an error of the driver is."""
    words = str(error).strip()
    by_words = next((kind for beginning, kind in _BEGINNINGS.items() if words.startswith(beginning)), None)
    by_class = next((kind for known, kind in _CLASSES.items() if isinstance(error, known)), RedisRefusal.AWAY)
    return by_words or by_class


def describe(error: RedisError, server: str) -> str:
    """Return a sentence on what is wrong with a server of this name, with its own words where it said any."""
    if classify(error) is RedisRefusal.AWAY:
        return f"{server} does not answer ({type(error).__name__})."
    words = str(error).strip()
    first = words.splitlines()[0] if words else type(error).__name__
    said = masked(first.partition(". ")[0])[:_LENGTH].rstrip(". ")
    return f"{server} refuses ({said})."
