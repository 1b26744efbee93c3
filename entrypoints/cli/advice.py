"""Which error ends a command with which sentence and status."""

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apple.errors import AppleError, Away, Forbidden, NotOurs, SlowDown, TokenRefused
from apple.tokens import MalformedToken
from orchestration.gate import NoPermit
from orchestration.gate.refusals import explain_redis
from orchestration.sync import NeedsPerson
from settings import WrongSettings
from storage.errors import DatabaseAway, RefusedByDatabase, StillRead, StillWatched, StorageError, UnknownLocation

from ..exits import Exit, Failure

#: The first class that fits decides.
_STATUSES: tuple[tuple[tuple[type[Exception], ...], Exit], ...] = (
    ((WrongSettings, UnknownLocation, StillWatched), Exit.USAGE),
    ((TokenRefused, NotOurs, NeedsPerson, Forbidden, RefusedByDatabase), Exit.PERSON),
    ((Away, SlowDown, NoPermit, DatabaseAway, StillRead), Exit.AWAY),
    ((AppleError, StorageError), Exit.FAILED),
)

#: Everything that ends a command with a sentence and not with a traceback.
KNOWN = (
    Failure,
    WrongSettings,
    AppleError,
    StorageError,
    NoPermit,
    NeedsPerson,
    MalformedToken,
    RedisError,
    OperationalError,
)


def explain(error: Exception) -> tuple[str, Exit]:
    """Turn an error into what a person reads and the status that a program reads."""
    if isinstance(error, Failure):
        return str(error), error.status
    redis = error.__cause__ if isinstance(error, OperationalError) else error
    if isinstance(redis, RedisError):
        return explain_redis(redis, is_broker=redis is not error), Exit.AWAY
    if isinstance(error, OperationalError):
        return "The broker does not answer: check PAGETURNER_BROKER_URL, and that it runs.", Exit.AWAY
    if isinstance(error, NoPermit):
        return f"The location's gate is shut: try again in {error.seconds:.0f} s.", Exit.AWAY
    if isinstance(error, MalformedToken):
        return f"This is not a content token: {error}.", Exit.USAGE
    status = next((status for kinds, status in _STATUSES if isinstance(error, kinds)), Exit.FAILED)
    return str(error), status
