"""What an error means for a page."""

from datetime import timedelta

import pytest

from apple.errors import (
    AppleError,
    BadAnswer,
    BeyondEnd,
    Forbidden,
    OtherLocation,
    OtherOwner,
    Overdue,
    ServerError,
    SlowDown,
    StaleVersion,
    TokenExpired,
    TokenForbidden,
    TokenRevoked,
    TokenWrong,
    Unkeepable,
    Unreachable,
    WrongRequest,
)
from orchestration.decisions import retry
from storage.states import LocationState, Trouble


@pytest.mark.parametrize("error", [Unreachable(), Overdue(), ServerError(), BadAnswer()])
def test_what_is_away_is_asked_again(error):
    """Trouble that may pass is asked for again, after longer and longer waits, and given up after a time."""
    waits = [retry.decide_retry(error, attempt, timedelta(seconds=80)) for attempt in range(1, 7)]
    assert [wait.seconds for wait in waits] == [1, 2, 4, 8, 15, 15]
    given_up = retry.decide_retry(error, 9, retry.AWAY_LIMIT)
    assert given_up.cause.trouble is Trouble.AWAY
    assert "It was tried for over 90 seconds." in given_up.cause.reason


@pytest.mark.parametrize("error", [Forbidden(), Unkeepable()])
def test_one_list_needs_a_person(error):
    """What is wrong with one list fails its crawl at once, for a person, and stops no other."""
    assert retry.decide_retry(error, 1).cause.trouble is Trouble.PERSON


def test_slow_down_costs_no_attempt():
    """Throttling is waited for, however often it comes."""
    assert retry.decide_retry(SlowDown(), 99) == retry.Postponed(seconds=0.0)


def test_retry_after_counts():
    """A wait that Apple names is kept to."""
    assert retry.decide_retry(ServerError(retry_after=30.0), 1) == retry.Postponed(seconds=30.0, is_attempt=True)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TokenExpired(), LocationState.EXPIRED),
        (TokenRevoked(), LocationState.REVOKED),
        (TokenWrong(), LocationState.WRONG),
        (TokenForbidden(), LocationState.WRONG),
        (OtherLocation(), LocationState.WRONG),
        (OtherOwner(), LocationState.FOREIGN),
    ],
)
def test_a_token_that_is_no_good_stops(error, state):
    """What a person has to mend stops the location at once."""
    decision = retry.decide_retry(error, 1)
    assert isinstance(decision, retry.Refused)
    assert decision.state is state


def test_the_others():
    """No page is drift, a dead version is another crawl, and our mistake is loud."""
    assert retry.decide_retry(BeyondEnd(), 1) == retry.NoSuchPage()
    assert isinstance(retry.decide_retry(StaleVersion(), 1), retry.Dead)
    assert retry.decide_retry(WrongRequest(), 1).cause.trouble is Trouble.BUG


def test_every_error_has_a_decision():
    """No class of the tree is forgotten."""

    def leaves(kind):
        return [leaf for one in kind.__subclasses__() for leaf in leaves(one)] or [kind]

    for kind in leaves(AppleError):
        assert retry.decide_retry(kind(), 1) is not None
