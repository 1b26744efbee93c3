"""Advice: each error has what a person can do about it, and it is looked up by the name that was stored."""

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import AuthenticationError, RedisError

import advice
from advice import advise, advised, explain
from apple.errors import AppleError, OtherOwner, SlowDown, TokenExpired, Unreachable
from orchestration.decisions.health import Health
from orchestration.gate import NoPermit
from orchestration.gate.refusals import RedisRefusal
from orchestration.subscription import HeldElsewhere
from orchestration.sync import NeedsPerson
from storage.errors import DatabaseAway, SealedAway, StorageError

#: States of a token, a stream or the installation that `about` of a `Health` names.
STATES = {"expiring", "held", "late", "unhandled", "still", "never"}


def derived(kind: type[Exception]) -> set[type[Exception]]:
    """Return every class that is derived from one, and itself."""
    return {kind, *(one for child in kind.__subclasses__() for one in derived(child))}


def test_the_table_names_what_there_is():
    """Each line is of an error or a state that exists: none is left of one that was renamed."""
    errors = {one.__name__ for one in derived(AppleError) | derived(StorageError) | {NoPermit, HeldElsewhere}}
    assert set(advice.ADVICE) <= errors | STATES
    assert set(advice.ADVICE) >= STATES
    assert set(advice._REDIS) == set(map(str, RedisRefusal))


def test_an_error_has_the_advice_of_its_class():
    """A stored name is enough: what has no advice of its own has that of the class that it is derived from."""
    assert advise("No.", "Overdue") == "No. Try again later."
    assert explain(Unreachable("(refused)")).endswith("(refused). Check the network, and PAGETURNER_APPLE_URL.")
    assert explain(DatabaseAway("(refused)")) == "The database does not answer. (refused)"
    assert "PAGETURNER_SECRET_KEYS" in explain(SealedAway())
    assert advise("A bug.", "KeyError") == advise("A bug.", None) == "A bug."


@pytest.mark.parametrize("about", ["TokenExpired", "TokenRevoked", "TokenWrong", "OtherLocation", "expiring"])
def test_a_token_is_rotated(about):
    """What a newer token mends ends in the command to type; its words are quoted for the shell."""
    assert advise("Refused.", about, "new york").endswith("Then: `pageturner locations rotate 'new york' FILE`.")
    assert "rotate" not in advise("Refused.", about)


def test_what_waits_for_a_person_is_accepted():
    """The command names the location where it is known."""
    assert "`pageturner accept hq`" in advise("Held.", "held", "hq")
    assert "`pageturner accept`" in explain(OtherOwner())
    standing = Health(state="foreign", words="Another service manages it.", about="OtherOwner")
    assert "`pageturner accept hq`" in explain(NeedsPerson("hq", standing))
    assert advised(Health(state="valid")) is None


def test_a_server_is_called_by_its_setting():
    """The same refusal names one setting where it is the gate's Redis, and another where it is the broker."""
    refusal = AuthenticationError("WRONGPASS invalid username-password pair")
    assert explain(refusal).endswith("Put the right user and password into PAGETURNER_REDIS_URL.")
    broker = OperationalError("no")
    assert "Check PAGETURNER_BROKER_URL" in explain(broker)
    broker.__cause__ = RedisError("refused")
    assert explain(broker).startswith("The broker does not answer (RedisError). Check PAGETURNER_BROKER_URL")


def test_messages_of_apple_advise_nothing():
    """What is stored and logged is what happened."""
    assert str(SlowDown("(too many calls, 9646)")) == "Apple asks for fewer requests (too many calls, 9646)."
    assert str(TokenExpired()) == "The token has expired."


def test_words_of_an_earlier_version_are_left_alone():
    """What was stored with its advice, by a version that did so, is not advised on twice."""
    old = "The token was revoked: download the newest one. Then: `pageturner locations rotate hq FILE`."
    assert advise(old, "OtherOwner", "hq") == old
    once = advise("Apple could not be reached.", "Unreachable")
    assert advise(once, "Unreachable", "hq") == once
