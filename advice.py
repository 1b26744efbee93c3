"""Advice: what a person can do about an error or a state, in terms of the commands and settings of this program.

The layers below speak of Apple, of the database and of Redis alone. What they store and return is what happened, and
the name of the error or state; whoever shows that to a person adds the advice from here.
"""

import shlex
from typing import TYPE_CHECKING

from apple.errors import AppleError
from storage.errors import StorageError

if TYPE_CHECKING:
    from redis.exceptions import RedisError

    from orchestration.decisions.health import Health

_NEWEST = "Download the newest token from Apple."
_WORKERS = "Are `pageturner beat` and `pageturner worker` running?"

#: The name of an error, or of a state -> what to do about it. An error without advice of its own has that of the class
#: that it is derived from.
ADVICE: dict[str, str] = {
    # What Apple says.
    "AppleError": "",
    "Away": "Try again later.",
    "Unreachable": "Check the network, and PAGETURNER_APPLE_URL.",
    "BadAnswer": "If this stays, something between here and Apple may have changed it: a proxy, or a sign-in page.",
    "Forbidden": "Check at Apple what its owner may do; or leave the list out, with `pageturner locations watch`.",
    "Unkeepable": "Look at it at Apple, or in the service that made it; this list is not crawled before.",
    "SlowDown": "Requests resume by themselves after the time that Apple asks for.",
    "TokenRefused": _NEWEST,
    "TokenWrong": f"Check that the file is the one that Apple gave, whole and unchanged. {_NEWEST}",
    "TokenForbidden": f"Use a content token of a location. {_NEWEST}",
    "Stale": "A full crawl follows by itself.",
    "WrongRequest": "Please report this.",
    "ReceiverRefused": (
        "Check that `pageturner webhook` runs, and that Apple reaches it there by HTTPS: its certificate, its proxy."
    ),
    "OtherLocation": "Each location has a token of its own at Apple.",
    "OtherOwner": "If that is meant to be, confirm it with `pageturner accept`; nothing is crawled before.",
    "NoPermit": "Try again later.",
    "HeldElsewhere": "`--claim` takes it over all the same.",
    # What the database says.
    "StorageError": "",
    "SealedAway": "Add the key that sealed it to PAGETURNER_SECRET_KEYS, behind the first.",
    "MalformedKey": "PAGETURNER_SECRET_KEYS holds such keys; `pageturner key` makes one.",
    "WrongAddress": "Put it right in PAGETURNER_DATABASE_URL.",
    "LocationExists": "`pageturner locations rotate` gives it a newer token.",
    "LocationNameTaken": "Give this one another, with `--name`.",
    "AccountExists": "`pageturner accounts change` gives it another password or scope.",
    "UnknownAccount": "`pageturner accounts list` lists those that there are.",
    "UnknownToken": "`pageturner tokens list` lists those that there are.",
    "TokenNameTaken": "`pageturner tokens withdraw` forgets it.",
    "StillWatched": "`pageturner locations remove` ends that.",
    # How a token, a stream or the installation stands.
    "expiring": "Renew it at Apple.",
    "held": "Sync again to confirm them, or let them through with `pageturner accept`.",
    "late": "Are `pageturner beat` and `pageturner worker` running, or does cron run `pageturner sync` often enough?",
    "unhandled": _WORKERS,
    "still": _WORKERS,
    "never": "Start `pageturner beat` and `pageturner worker` for automatic syncs.",
}

#: What Redis refuses -> what to do about it; `{url}` is the setting with its address.
_REDIS: dict[str, str] = {
    "away": "Check {url}, and that the server runs.",
    "password": "Put the right user and password into {url}.",
    "protected": "Put a password on it and into {url}, or have it listen on your own addresses alone.",
    "rights": "Give its user these rights: ~* &* +@all -@dangerous +info.",
    "replica": "It is a replica: name the primary in {url}.",
    "crowded": "Raise its maxclients, or run fewer processes.",
    "full": "Give it more memory, and the policy noeviction.",
    "other": "Look into its log.",
}

#: How a command begins in a text.
_COMMAND = "`pageturner "

#: What a newer token of the location ends.
_ENDED_BY_TOKEN = {"expiring", "OtherLocation"}


def advise(words: str, about: str | None, name: str = "") -> str:
    """Return a sentence with the advice on an error or a state behind it.

    Where the location is known, the advice ends in the command to type. Example: `advise("The token has expired.",
    "TokenExpired", "hq")` returns "The token has expired. Download the newest token from Apple. Then: `pageturner
    locations rotate hq FILE`."
    """
    lineage = _LINEAGES.get(about or "", (about or "",))
    advice = next((ADVICE[one] for one in lineage if one in ADVICE), "")
    if name and (_ENDED_BY_TOKEN | {"TokenRefused"}).intersection(lineage):
        advice += f" Then: `pageturner locations rotate {shlex.quote(name)} FILE`."
    elif name:
        advice = advice.replace("`pageturner accept`", f"`pageturner accept {shlex.quote(name)}`")
    is_old = _COMMAND in words or (advice and advice in words)  # stored by an earlier version, with its advice
    return words if is_old else f"{words} {advice}".strip()


def advised(health: "Health", name: str = "") -> str | None:
    """Return the sentence on how something stands, with its advice; None where there is nothing to say."""
    return None if health.words is None else advise(health.words, health.about, name)


def explain(error: BaseException, name: str = "") -> str:
    """Return what an error says, and what to do about it.

    The clients of servers are imported here: whoever has such an error has them already.
    """
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from orchestration.sync import NeedsPerson

    if isinstance(error, RedisError):
        return _explain_redis(error, "Redis", "PAGETURNER_REDIS_URL")
    if isinstance(error, OperationalError):
        if isinstance(error.__cause__, RedisError):  # the broker is a Redis
            return _explain_redis(error.__cause__, "The broker", "PAGETURNER_BROKER_URL")
        return "The broker does not answer. Check PAGETURNER_BROKER_URL, and that the server runs."
    if isinstance(error, NeedsPerson):
        return advise(str(error), error.health.about, error.name)
    return advise(str(error), type(error).__name__, name)


def _explain_redis(error: "RedisError", server: str, setting: str) -> str:
    from orchestration.gate.refusals import classify, describe

    advice = _REDIS[classify(error)].format(url=setting)
    return f"{describe(error, server)} {advice}"


def _lineages(kind: type[Exception], before: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Return each error by its name, with the names of the classes that it is derived from, the nearest first."""
    mine = (kind.__name__, *before)
    found = {kind.__name__: mine}
    for derived in kind.__subclasses__():
        found |= _lineages(derived, mine)
    return found


_LINEAGES = _lineages(AppleError) | _lineages(StorageError)
