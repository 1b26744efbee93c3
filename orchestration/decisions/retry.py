"""Retry: what an error means for a page, given the attempts so far. Only attempts that found Apple away are bounded."""

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
from storage.states import Cause, LocationState, Trouble

#: A page that was not answered for this long is given up, and its crawl fails; the scheduler opens another.
AWAY_LIMIT = timedelta(seconds=90)

#: But not before this many attempts: a gate may have been shut for most of that time.
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
    """Apple has no page at that index; the decision about the crawl judges whether it should."""


@dataclass(frozen=True, kw_only=True)
class Dead:
    """The version, cursor or batch token that the crawl goes on from is dead at Apple: it must begin again."""

    cause: Cause


@dataclass(frozen=True, kw_only=True)
class GaveUp:
    """The page cannot be read."""

    cause: Cause


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Apple refuses everything of the location until a person acts."""

    cause: Cause
    state: LocationState


RetryDecision = Postponed | NoSuchPage | Dead | GaveUp | Refused

_STATES: dict[type[AppleError], LocationState] = {
    TokenExpired: LocationState.EXPIRED,
    TokenRevoked: LocationState.REVOKED,
    OtherLocation: LocationState.WRONG,
    OtherOwner: LocationState.FOREIGN,
}


def decide_retry(  # noqa: PLR0911 - a table
    error: AppleError, attempts: int, tried: timedelta = timedelta()
) -> RetryDecision:
    """Decide what an error means for a page that was requested this many times, this one included, for this long.

    Example: `decide_retry(Unreachable(), 3, timedelta(seconds=7))` returns `Postponed(seconds=4.0, is_attempt=True)`.
    """
    match error:
        case SlowDown():
            return Postponed(seconds=0.0)
        case BeyondEnd():
            return NoSuchPage()
        case TokenRefused() | NotOurs():
            state = _STATES.get(type(error), LocationState.WRONG)
            return Refused(cause=_cause(error, Trouble.PERSON), state=state)
        case Forbidden() | Unkeepable():
            return GaveUp(cause=_cause(error, Trouble.PERSON))
        case Away() if tried < AWAY_LIMIT or attempts < LEAST_ATTEMPTS:
            return Postponed(seconds=wait_after(attempts, error.retry_after), is_attempt=True)
        case Away():
            tried_for = f" It was tried for over {AWAY_LIMIT.seconds} seconds."
            return GaveUp(cause=_cause(error, Trouble.AWAY, tried_for))
        case Stale():
            return Dead(cause=_cause(error, Trouble.AWAY))
        case _:
            return GaveUp(cause=_cause(error, Trouble.BUG))


def _cause(error: AppleError, trouble: Trouble, more: str = "") -> Cause:
    return Cause(reason=f"{error}{more}", trouble=trouble, error=type(error).__name__)


def wait_after(attempts: int, retry_after: float | None) -> float:
    """Return how many seconds to wait after this many attempts; a longer wait that Apple names counts."""
    wait: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(attempts - 1, 30))
    return max(wait, retry_after or 0.0)
