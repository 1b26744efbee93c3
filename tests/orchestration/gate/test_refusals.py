"""What kind of refusal an error of Redis is, and how it is described."""

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as NoConnection,
)
from redis.exceptions import (
    TimeoutError as NoAnswer,
)

from orchestration.gate.refusals import RedisRefusal, classify, describe


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoConnection("Error 111 connecting"), RedisRefusal.AWAY),
        (NoAnswer("Timeout reading"), RedisRefusal.AWAY),
        (BusyLoadingError("LOADING"), RedisRefusal.AWAY),
        (AuthenticationError("invalid username-password pair"), RedisRefusal.PASSWORD),
        (ResponseError("NOAUTH Authentication required."), RedisRefusal.PASSWORD),
        (ResponseError("WRONGPASS no"), RedisRefusal.PASSWORD),
        (NoPermissionError("this user has no permissions"), RedisRefusal.RIGHTS),
        (ResponseError("NOPERM no"), RedisRefusal.RIGHTS),
        (NoConnection("DENIED Redis is running in protected mode"), RedisRefusal.PROTECTED),
        (NoConnection("max number of clients reached"), RedisRefusal.CROWDED),
        (ReadOnlyError("You can't write against a read only replica."), RedisRefusal.REPLICA),
        (OutOfMemoryError("command not allowed"), RedisRefusal.FULL),
        (ResponseError("ERR unknown command"), RedisRefusal.OTHER),
        (RedisError(), RedisRefusal.AWAY),
    ],
    ids=lambda one: str(one)[:30],
)
def test_the_kind_of_a_refusal(error, kind):
    """A server that refuses is told from one that is away, by the driver's class or by its own words."""
    assert classify(error) is kind


def test_a_server_that_is_away():
    """Of a server that does not answer only the kind of the error is said: its words may name an address."""
    told = describe(NoConnection("Error 111 connecting to 10.0.0.1:6379"), "Redis")
    assert told == "Redis does not answer (ConnectionError)."


def test_a_refusal_in_the_servers_words():
    """A refusal is repeated up to its first sentence, on one line, and not for ever."""
    told = describe(NoConnection(f"DENIED {'very ' * 100}protected. More words.\nAnd more."), "The broker")
    assert told.startswith("The broker refuses (DENIED very very")
    assert len(told) < 160
    assert "More words" not in told


def test_no_words_at_all():
    """A refusal without words is described by its class."""
    assert describe(ReadOnlyError(), "Redis") == "Redis refuses (ReadOnlyError)."


def test_no_secret_is_repeated():
    """What could be a token in a server's words is hidden."""
    secret = "c2VjcmV0" * 12
    assert secret not in describe(ResponseError(f"ERR {secret}"), "Redis")
