"""Retry: from an error and the attempts so far to what to do. The one retry loop there is, flat and bounded."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

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
from storage.schema import LocationState

from .health import rotating

#: A page for which no answer came for so long is given up, and its crawl with it; the clock has it read again.
AWAY_LIMIT = timedelta(seconds=90)

#: However long that was: a gate may have been shut meanwhile.
LEAST_ATTEMPTS = 3

#: The wait after a first failure, doubled by each further one, and at most short enough to notice Apple's return soon.
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 15.0


class Trouble(StrEnum):
    """Who can end a trouble."""

    AWAY = "away"  #: it may end by itself: try again later
    PERSON = "person"  #: a person has to act
    BUG = "bug"  #: trying again will not help


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Park until the gate opens again; nobody's attempts are used up."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """Ask again after a while."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class NoSuchPage:
    """Note that Apple has no such page: reconcile will tell whether it should."""


@dataclass(frozen=True, kw_only=True)
class RestartCrawl:
    """Begin the crawl again: the version, cursor or batch token that it went on from is dead."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """Fail the crawl."""

    reason: str
    trouble: Trouble


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Fail the crawl and say of the location why nothing more can be read."""

    reason: str
    state: LocationState


RetryDecision = Wait | Again | NoSuchPage | RestartCrawl | GiveUp | Stop

_STATES: dict[type[AppleError], LocationState] = {
    TokenExpired: LocationState.EXPIRED,
    TokenRevoked: LocationState.REVOKED,
    OtherLocation: LocationState.WRONG,
    OtherOwner: LocationState.FOREIGN,
}


def decide_retry(error: AppleError, name: str, attempts: int, tried: timedelta = timedelta()) -> RetryDecision:  # noqa: PLR0911 - a table
    """Decide what an error means for a page of the location of this name.

    It was asked for so often, this time included, and for so long.
    """
    match error:
        case SlowDown():
            return Wait()
        case BeyondEnd():
            return NoSuchPage()
        case TokenRefused() | NotOurs():
            state = _STATES.get(type(error), LocationState.WRONG)
            is_mended = state is not LocationState.FOREIGN
            return Stop(reason=f"{error} {rotating(name)}" if is_mended else str(error), state=state)
        case Forbidden() | Unkeepable():
            return GiveUp(reason=str(error), trouble=Trouble.PERSON)
        case Away() if tried < AWAY_LIMIT or attempts < LEAST_ATTEMPTS:
            return Again(seconds=wait_after(attempts, error.retry_after))
        case Away():
            return GiveUp(reason=f"{error} It was tried for {AWAY_LIMIT.seconds} seconds.", trouble=Trouble.AWAY)
        case Stale():
            return RestartCrawl(reason=str(error))
        case _:
            return GiveUp(reason=str(error), trouble=Trouble.BUG)


def wait_after(attempts: int, retry_after: float | None) -> float:
    """Tell how long to wait after so many attempts; what Apple names counts, if it is longer."""
    wait: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(attempts - 1, 30))
    return max(wait, retry_after or 0.0)
