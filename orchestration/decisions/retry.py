"""Retry: what an error means for a page, given the attempts so far. This is the only retry loop, flat and bounded."""

from dataclasses import dataclass
from datetime import timedelta

from apple.errors import (
    AppleError,
    Away,
    BeyondEnd,
    Forbidden,
    NotOurs,
    OtherLocation,
    OtherOwner,
    SlowDown,
    Stale,
    TokenExpired,
    TokenRefused,
    TokenRevoked,
    Unkeepable,
)
from storage.states import LocationState, Trouble

from .health import rotating

#: A page that was not answered for this long is given up, and its crawl with it; the scheduler begins another.
AWAY_LIMIT = timedelta(seconds=90)

#: But not before this many attempts, however long they took: a gate may have been shut meanwhile.
LEAST_ATTEMPTS = 3

#: The wait after a first failure. It doubles with each further failure, up to one that still notices Apple's return.
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Postponed:
    """Come again after some seconds; 0 means as soon as the gate lets the message through."""

    seconds: float
    #: Whether this was one of the attempts that are bounded. Waiting for Apple's limits is not.
    is_attempt: bool = False


@dataclass(frozen=True, kw_only=True)
class NoSuchPage:
    """Apple has no such page; whether it should is for the decision about the crawl."""


@dataclass(frozen=True, kw_only=True)
class Dead:
    """The version, cursor or batch token that the crawl goes on from is dead at Apple: it must begin again."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class GaveUp:
    """The page cannot be read."""

    reason: str
    trouble: Trouble


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Apple refuses everything of the location until a person acts."""

    reason: str
    state: LocationState


RetryDecision = Postponed | NoSuchPage | Dead | GaveUp | Refused

_STATES: dict[type[AppleError], LocationState] = {
    TokenExpired: LocationState.EXPIRED,
    TokenRevoked: LocationState.REVOKED,
    OtherLocation: LocationState.WRONG,
    OtherOwner: LocationState.FOREIGN,
}


def decide_retry(  # noqa: PLR0911 - a table
    error: AppleError, name: str, attempts: int, tried: timedelta = timedelta()
) -> RetryDecision:
    """Decide what an error means for a page of the location of this name.

    The page was requested `attempts` times, this time included, during the time `tried`.
    """
    match error:
        case SlowDown():
            return Postponed(seconds=0.0)
        case BeyondEnd():
            return NoSuchPage()
        case TokenRefused() | NotOurs():
            state = _STATES.get(type(error), LocationState.WRONG)
            is_mended = state is not LocationState.FOREIGN
            return Refused(reason=f"{error} {rotating(name)}" if is_mended else str(error), state=state)
        case Forbidden() | Unkeepable():
            return GaveUp(reason=str(error), trouble=Trouble.PERSON)
        case Away() if tried < AWAY_LIMIT or attempts < LEAST_ATTEMPTS:
            return Postponed(seconds=wait_after(attempts, error.retry_after), is_attempt=True)
        case Away():
            return GaveUp(reason=f"{error} It was tried for {AWAY_LIMIT.seconds} seconds.", trouble=Trouble.AWAY)
        case Stale():
            return Dead(reason=str(error))
        case _:
            return GaveUp(reason=str(error), trouble=Trouble.BUG)


def wait_after(attempts: int, retry_after: float | None) -> float:
    """Return how many seconds to wait after this many attempts; a longer wait that Apple names counts."""
    wait: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(attempts - 1, 30))
    return max(wait, retry_after or 0.0)
