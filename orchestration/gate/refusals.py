"""Refusals: what a Redis says that is away, or that answers and does not do what it is asked; and what to do. Pure."""

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from apple.texts import masked

_URL, _BROKER_URL = "PAGETURNER_REDIS_URL", "PAGETURNER_BROKER_URL"
_PASSWORD = "Put the right user and password into PAGETURNER_REDIS_URL."  # noqa: S105 - a sentence
_PROTECTED = "Put a password on it and into PAGETURNER_REDIS_URL, or have it listen on your own addresses alone."
_RIGHTS = "Give its user these rights: ~* &* +@all -@dangerous +info."
_REPLICA = "It is a replica: name the primary in PAGETURNER_REDIS_URL."
_CROWDED = "Raise its maxclients, or run fewer processes."
_FULL = "Give it more memory, and the policy noeviction."
_AWAY = "Redis does not answer: check PAGETURNER_REDIS_URL, and that the server runs"

#: How the words begin with which a server refuses, where the driver has no class for it.
_SIGNS = {
    "DENIED": _PROTECTED,
    "NOPERM": _RIGHTS,
    "NOAUTH": _PASSWORD,
    "WRONGPASS": _PASSWORD,
    "max number of clients": _CROWDED,
}

#: Such words can be a page long.
_LENGTH = 120


def explain_redis(error: RedisError, *, is_broker: bool = False) -> str:
    """Return a sentence on what is wrong with a Redis, or with a broker that is one, with the server's own words."""
    words = _explain(error)
    return words.replace("Redis", "The broker", 1).replace(_URL, _BROKER_URL) if is_broker else words


def _explain(error: RedisError) -> str:
    words = str(error).strip()
    advice = _advice(error, words)
    if advice is None:
        return f"{_AWAY} ({type(error).__name__})."
    first = words.splitlines()[0] if words else type(error).__name__
    said = masked(first.partition(". ")[0])[:_LENGTH].rstrip(". ")
    return f"Redis refuses ({said}). {advice}"


def _advice(error: RedisError, words: str) -> str | None:
    for sign, advice in _SIGNS.items():
        if words.startswith(sign):
            return advice
    if isinstance(error, OutOfMemoryError):
        return _FULL
    if isinstance(error, NoPermissionError):
        return _RIGHTS
    if isinstance(error, AuthenticationError):
        return _PASSWORD
    if isinstance(error, ReadOnlyError):
        return _REPLICA
    return "Look into its log." if isinstance(error, ResponseError) else None
