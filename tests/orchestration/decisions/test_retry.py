"""The small decisions: retrying, holding, tending, and how a sync ended."""

import itertools
from datetime import UTC, datetime, timedelta

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
from entrypoints.cli.commands.sync import Unsynced, verdict
from entrypoints.cli.exits import Exit
from orchestration.decisions import retry
from orchestration.decisions.hold import CONFIRM_WITHIN, is_mass_delete, judge_deletes
from orchestration.decisions.revival import PUBLISH_QUIET, QUIET, REVIVAL_LIMIT, Revival, RevivalFacts, decide_revival
from storage.ledger.crawls import Crawl
from storage.ledger.progress import ProgressReport
from storage.ledger.streams import Stream
from storage.mirror.publication import Deletes
from storage.schema import CrawlKind, CrawlState, LocationState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("error", [Unreachable(), Overdue(), ServerError(), BadAnswer()])
def test_what_is_away_is_asked_again(error):
    """Trouble that may pass is asked for again, after longer and longer waits, and given up after a time."""
    waits = [retry.decide_retry(error, "hq", attempt, timedelta(seconds=80)) for attempt in range(1, 7)]
    assert [wait.seconds for wait in waits] == [1, 2, 4, 8, 15, 15]
    given_up = retry.decide_retry(error, "hq", 9, retry.AWAY_LIMIT)
    assert given_up.trouble is retry.Trouble.AWAY
    assert "It was tried for 90 seconds." in given_up.reason


@pytest.mark.parametrize("error", [Forbidden(), Unkeepable()])
def test_one_list_needs_a_person(error):
    """What is wrong with one list fails its crawl at once, for a person, and stops no other."""
    assert retry.decide_retry(error, "hq", 1).trouble is retry.Trouble.PERSON


def test_slow_down_costs_no_attempt():
    """Throttling is waited for, however often it comes."""
    assert retry.decide_retry(SlowDown(), "hq", 99) == retry.Wait()


def test_retry_after_counts():
    """A wait that Apple names is kept to."""
    assert retry.decide_retry(ServerError(retry_after=30.0), "hq", 1) == retry.Again(seconds=30.0)


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
    decision = retry.decide_retry(error, "hq", 1)
    assert isinstance(decision, retry.Stop)
    assert decision.state is state


def test_the_others():
    """No page is drift, a dead version is another crawl, and our mistake is loud."""
    assert retry.decide_retry(BeyondEnd(), "hq", 1) == retry.NoSuchPage()
    assert isinstance(retry.decide_retry(StaleVersion(), "hq", 1), retry.RestartCrawl)
    assert retry.decide_retry(WrongRequest(), "hq", 1).trouble is retry.Trouble.BUG


def test_every_error_has_a_decision():
    """No class of the tree is forgotten."""

    def leaves(kind):
        return [leaf for one in kind.__subclasses__() for leaf in leaves(one)] or [kind]

    for kind in leaves(AppleError):
        assert retry.decide_retry(kind(), "hq", 1) is not None


@pytest.mark.parametrize(
    ("count", "records", "remaining", "is_mass"),
    [(1, 1, 0, True), (5, 5, 0, True), (5, 10, 5, False), (19, 30, 11, False), (20, 30, 10, True), (20, 60, 40, False)],
)
def test_mass_deletes(count, records, remaining, is_mass):
    """Most of a stream, or all of it, is a mass; a few of a few are not."""
    assert is_mass_delete(count, records, remaining) is is_mass


def stream(**more) -> Stream:
    """Make a stream."""
    empty = dict.fromkeys(Stream.__dataclass_fields__)
    return Stream(**empty | {"records": 100} | more)


@pytest.mark.parametrize(
    ("digest", "held_at", "may_delete"),
    [
        (None, None, False),
        ("same", NOW, True),
        ("other", NOW, False),
        ("same", NOW - CONFIRM_WITHIN - timedelta(seconds=1), False),
    ],
)
def test_a_second_crawl_confirms(digest, held_at, may_delete):
    """Mass deletes happen once a second crawl shows the same, soon after."""
    deletes = Deletes(count=90, records=100, remaining=10, digest=lambda: "same")
    verdict_ = judge_deletes(deletes, stream(held_digest=digest, held_at=held_at), NOW)
    assert verdict_.may_delete is may_delete


def crawl(**more) -> Crawl:
    """Make a crawl that has been quiet for long."""
    empty = dict.fromkeys(Crawl.__dataclass_fields__)
    values = {"state": CrawlState.OPEN, "revivals": 0, "moved_at": NOW - timedelta(minutes=5)}
    values |= {"resource": "assignments", "kind": CrawlKind.FULL, "scopes": ()}
    return Crawl(**empty | values | more)


def still(crawl_, **more) -> RevivalFacts:
    """Make a stillness."""
    values = {"last_page_at": None, "has_first_page": True, "is_at_gate": False}
    return RevivalFacts(crawl=crawl_, **values | more)


@pytest.mark.parametrize(
    ("stillness", "wanted"),
    [
        (still(crawl()), Revival.ADVANCE),
        (still(crawl(), has_first_page=False), Revival.SEED),
        (still(crawl(), is_at_gate=True), Revival.NOTHING),
        (still(crawl(), last_page_at=NOW - QUIET / 2), Revival.NOTHING),
        (still(crawl(state=CrawlState.SETTLED)), Revival.PUBLISH),
        (still(crawl(state=CrawlState.SETTLED, moved_at=NOW - PUBLISH_QUIET / 2)), Revival.NOTHING),
        (still(crawl(state=CrawlState.PUBLISHED)), Revival.NOTHING),
        (still(crawl(revivals=REVIVAL_LIMIT)), Revival.FAIL),
        (still(crawl(kind=CrawlKind.SPOT), has_first_page=False), Revival.ADVANCE),
        (still(crawl(resource="subscriptions")), Revival.FOLLOW),
        (still(crawl(resource="subscriptions"), is_its_turn=False), Revival.NOTHING),
    ],
)
def test_tending(stillness, wanted):
    """Only what nothing is working on is revived, and not for ever."""
    assert decide_revival(stillness, NOW) is wanted


_numbers = itertools.count()


def report(state=CrawlState.PUBLISHED, trouble=None, held=0, **more) -> ProgressReport:
    """Make a report."""
    empty = dict.fromkeys(ProgressReport.__dataclass_fields__)
    number = next(_numbers)
    values = {"state": state, "trouble": trouble, "held_deletes": held, "uid": "1", "resource": f"r{number}"}
    return ProgressReport(**empty | values | more)


FAILED = CrawlState.FAILED


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        ([report(), report(CrawlState.UNCHANGED)], Exit.IN_STEP),
        ([report(), report(held=3)], Exit.PERSON),
        ([report(), report(FAILED, "away")], Exit.PARTLY),
        ([report(FAILED, "away")], Exit.AWAY),
        ([report(FAILED, "bug")], Exit.FAILED),
        ([report(FAILED, "away"), report(FAILED, "person")], Exit.PERSON),
    ],
)
def test_how_a_sync_ended(reports, status):
    """The exit status says what to do about it."""
    assert verdict(reports, []) is status


def test_a_crawl_that_was_followed_by_a_better_one():
    """Of the crawls of one stream the last counts; a look at some assets is another thing."""
    one = {"uid": "1", "resource": "assets"}
    assert verdict([report(FAILED, "away", **one), report(**one)], []) is Exit.IN_STEP
    assert verdict([report(**one), report(FAILED, "away", kind=CrawlKind.SPOT, **one)], []) is Exit.PARTLY


def test_a_location_that_was_not_asked_for():
    """A token that is out of date needs a person, or is a part of several."""
    unsynced = [Unsynced(location="hq", uid="1", problem="expired")]
    assert verdict([], unsynced) is Exit.PERSON
    assert verdict([report()], unsynced) is Exit.PARTLY
