"""The errors of the storage.

StorageError
├── DatabaseAway       not there now; asking again later may help
│   └── DatabaseFull   it answers, and keeps nothing: its disk is full, or it may only be read
├── RefusedByDatabase  it does not take what is to be kept: a person has to look at it
├── Pruned             what a reader of the feed wants next is no longer kept
├── DatabaseTooNew     written by a newer Pageturner
├── WrongDatabase      not a database that we can use at all
│   └── WrongAddress   nor an address of one
├── SealedAway         no key opens what was sealed
├── MalformedKey       a key that is none
├── UnknownLocation    no location of that name
├── ViewsInUse         the views cannot be made anew
├── UnknownColumn      no column of that name
├── WrongPosition      no row of a list has it
├── WrongValue         no column can have it
├── UnknownHook        no hook of that name
├── UnknownChannel     nor a channel
├── UnknownAccount     nor an account
├── AccountExists      there is one of that name
├── UnknownToken       no token of that name
├── TokenNameTaken     there is one of that name
├── StillWatched       a location that is watched is not erased
├── StillRead          nor is one whose last requests may be under way
├── LocationExists     a location of that uId is watched already
└── LocationNameTaken          another location has the name
"""


class StorageError(Exception):
    """The store cannot do what was asked."""

    def __init__(self, detail: str = "") -> None:
        """Make the message: the docstring of the class, then the detail."""
        super().__init__(f"{(self.__doc__ or '').strip()} {detail}".strip())


class DatabaseAway(StorageError):
    """The database does not answer."""


class DatabaseFull(DatabaseAway):
    """The database cannot store anything."""


class RefusedByDatabase(StorageError):
    """The database does not take what is to be kept."""


class Pruned(StorageError):
    """The feed was pruned while it was read: begin anew, and read faster than it is pruned."""


class DatabaseTooNew(StorageError):
    """The database was written by a newer Pageturner: upgrade this one."""


class WrongDatabase(StorageError):
    """The database cannot be used."""


class WrongAddress(WrongDatabase):
    """The address of the database cannot be used."""


class SealedAway(StorageError):
    """A token cannot be opened: the key that sealed it is not known."""


class MalformedKey(StorageError):
    """A key is not 32 bytes in URL-safe base64."""


class UnknownLocation(StorageError):
    """There is no such location."""


class ViewsInUse(StorageError):
    """Others depend on our views, which an upgrade makes anew: drop them, migrate, and make them again."""


class UnknownColumn(StorageError):
    """There is no such column."""


class WrongValue(StorageError):
    """The column cannot have that value."""


class WrongPosition(StorageError):
    """The page of the list cannot be found by what it is said to follow."""


class UnknownHook(StorageError):
    """There is no such webhook."""


class UnknownChannel(StorageError):
    """There is no such channel."""


class UnknownAccount(StorageError):
    """There is no such account."""


class AccountExists(StorageError):
    """There is such an account already."""


class UnknownToken(StorageError):
    """There is no such token."""


class TokenNameTaken(StorageError):
    """Another token has the name."""


class StillWatched(StorageError):
    """The location is still watched."""


class StillRead(StorageError):
    """The location is still being read."""


class LocationExists(StorageError):
    """The location is kept already."""


class LocationNameTaken(StorageError):
    """Another location has the name."""
