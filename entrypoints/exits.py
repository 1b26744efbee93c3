"""The exit statuses, the same for all commands."""

from enum import IntEnum

#: Of a command that was stopped, by Ctrl-C or a signal: as shells expect it.
INTERRUPTED = 130


class Exit(IntEnum):
    """The exit status of a command."""

    IN_STEP = 0  #: done
    FAILED = 1  #: failed, and trying again will not help
    USAGE = 2  #: an argument, a file or a setting cannot be used
    PARTLY = 3  #: some locations or streams failed
    PENDING = 3  #: of a dry run: there is something to do
    AWAY = 4  #: failed for now: Apple or a server is away
    PERSON = 5  #: needs a person: a refused token, held deletes


class Failure(Exception):
    """A command failed: the message is a sentence for a person, and `status` the exit status."""

    def __init__(self, words: str, status: Exit) -> None:
        super().__init__(words)
        self.status = status
