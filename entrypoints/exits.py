"""The exit statuses, the same for all commands."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command says when it ends."""

    IN_STEP = 0  #: done
    FAILED = 1  #: failed, and trying again will not help
    USAGE = 2  #: an argument, a file or a setting cannot be used
    PARTLY = 3  #: some locations or streams failed
    AWAY = 4  #: failed for now: Apple or a server is away, try again
    PERSON = 5  #: needs a person: a token that is no good, deletes that are held


class Failure(Exception):
    """A command cannot do what was asked; says so in a sentence, and how it ends."""

    def __init__(self, words: str, status: Exit) -> None:
        super().__init__(words)
        self.status = status
