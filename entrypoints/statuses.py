"""The exit status of a command that an error ended."""

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apple.errors import AppleError, Away, Forbidden, NotOurs, SlowDown, TokenRefused
from orchestration.gate import NoPermit
from orchestration.subscription import HeldElsewhere, NotTaken
from orchestration.sync import NeedsPerson
from settings import WrongSettings
from storage.errors import (
    AccountExists,
    DatabaseAway,
    RefusedByDatabase,
    StillRead,
    StillWatched,
    StorageError,
    TokenNameTaken,
    UnknownAccount,
    UnknownChannel,
    UnknownColumn,
    UnknownHook,
    UnknownLocation,
    UnknownToken,
)

from .exits import Exit, Failure

#: The first line with a class of the error decides.
_STATUSES: tuple[tuple[tuple[type[Exception], ...], Exit], ...] = (
    ((WrongSettings, UnknownLocation, UnknownColumn, UnknownHook, UnknownChannel, StillWatched), Exit.USAGE),
    ((UnknownAccount, AccountExists, UnknownToken, TokenNameTaken), Exit.USAGE),
    ((TokenRefused, NotOurs, NeedsPerson, HeldElsewhere, Forbidden, RefusedByDatabase), Exit.PERSON),
    ((Away, SlowDown, NoPermit, DatabaseAway, StillRead, RedisError, OperationalError), Exit.AWAY),
    ((AppleError, StorageError, NotTaken), Exit.FAILED),
)

#: Everything that ends a command with a sentence and not with a traceback.
KNOWN: tuple[type[Exception], ...] = (Failure, *(kind for kinds, _ in _STATUSES for kind in kinds))


def status_of(error: Exception) -> Exit:
    """Return the status that a command ends with because of a known error."""
    if isinstance(error, Failure):
        return error.status
    return next(status for kinds, status in _STATUSES if isinstance(error, kinds))
