"""Retry: from an error and the attempts so far to what to do. The one retry loop there is, flat and bounded."""

from dataclasses import dataclass
from enum import StrEnum

from apple.errors import (
    AppleError,
    Away,
    BeyondEnd,
    NotOurs,
    OtherLocation,
    OtherOwner,
    Restart,
    SlowDown,
    TokenExpired,
    TokenRefused,
    TokenRevoked,
)
from storage.schema import LocationState

#: Attempts at one page, the first included.
ATTEMPT_LIMIT = 5

#: The wait after a first failure, doubled by each further one.
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0


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
class Afresh:
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


Decision = Wait | Again | NoSuchPage | Afresh | GiveUp | Stop

_STATES: dict[type[AppleError], LocationState] = {
    TokenExpired: LocationState.EXPIRED,
    TokenRevoked: LocationState.REVOKED,
    OtherLocation: LocationState.WRONG,
    OtherOwner: LocationState.FOREIGN,
}


def decide(error: AppleError, attempts: int) -> Decision:  # noqa: PLR0911 - one return an arm, as in a table
    """Decide what an error means for a page that was asked for `attempts` times, this one included."""
    match error:
        case SlowDown():
            return Wait()
        case BeyondEnd():
            return NoSuchPage()
        case TokenRefused() | NotOurs():
            return Stop(reason=str(error), state=_STATES.get(type(error), LocationState.WRONG))
        case Away() if attempts < ATTEMPT_LIMIT:
            return Again(seconds=wait_after(attempts, error.retry_after))
        case Away():
            return GiveUp(reason=f"{error} Asked {attempts} times.", trouble=Trouble.AWAY)
        case Restart():
            return Afresh(reason=str(error))
        case _:
            return GiveUp(reason=str(error), trouble=Trouble.BUG)


def wait_after(attempts: int, retry_after: float | None) -> float:
    """Tell how long to wait after so many attempts; what Apple names counts, if it is longer."""
    wait: float = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempts - 1))
    return max(wait, retry_after or 0.0)
