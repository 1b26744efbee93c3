"""How far syncs are: at work, resting, waiting, or over."""

from datetime import timedelta

import pytest

from orchestration.decisions.progress import QUIET, SyncStage, progress
from storage.closings import Closing
from storage.states import CrawlKind, CrawlState, Trouble
from tests.support.examples import NOW, make_report

OPEN, SETTLED, FAILED = CrawlState.OPEN, CrawlState.SETTLED, CrawlState.FAILED

#: A list of twelve pages, three of which are read.
READING = {"name": "hq", "kind": CrawlKind.FULL, "pages": 3, "total": 12, "records": 300, "heard_at": NOW}

#: One of which nothing is read yet.
UNREAD = READING | {"pages": 0, "total": None, "records": 0}
REST = Closing(gate="1", until=NOW + timedelta(seconds=7), step=1, why="too many calls", error="SlowDown")


def of(*reports, closing=None, rate=0):
    """Return how far the one location of some reports is."""
    [one] = progress(reports, {} if closing is None else {"1": closing}, NOW, rate)
    return one


@pytest.mark.parametrize(
    ("reports", "closing", "stage"),
    [
        ([make_report(OPEN, **READING)], None, SyncStage.AT_WORK),
        ([make_report(OPEN, **READING)], REST, SyncStage.RESTING),
        ([make_report(OPEN, **READING | {"heard_at": NOW - QUIET})], None, SyncStage.WAITING),
        ([make_report(OPEN, **UNREAD)], None, SyncStage.WAITING),
        ([make_report(SETTLED, **READING)], REST, SyncStage.AT_WORK),
        ([make_report(**READING)], REST, SyncStage.DONE),
        ([make_report(FAILED, **READING, trouble=Trouble.PERSON)], None, SyncStage.NEEDS_YOU),
        ([make_report(FAILED, **READING, trouble=Trouble.AWAY)], None, SyncStage.FAILED),
        ([make_report(FAILED, **READING, trouble=Trouble.AWAY), make_report(**READING)], None, SyncStage.DONE),
    ],
)
def test_where_a_location_is(reports, closing, stage):
    """It is at work while answers come, rests while Apple wants it, and is over with its last list."""
    assert of(*reports, closing=closing).stage is stage


def test_pages_of_how_many():
    """Pages and totals are added; what is not known to end is said to be open."""
    both = of(make_report(OPEN, **READING), make_report(OPEN, **UNREAD, resource="users"))
    assert (both.pages, both.total, both.is_whole, both.records) == (3, 12, False, 300)
    more = of(make_report(OPEN, **READING | {"pages": 14}))
    assert (more.pages, more.total, more.is_whole) == (14, 14, True)


def test_what_apple_allows():
    """Five at a time allow five pages in the time of an answer, unless Apple names a lower rate."""
    report = make_report(OPEN, **READING, answer_seconds=0.25)
    assert of(report).allowed == 20
    assert of(report, rate=15).allowed == 15
    assert of(make_report(OPEN, **READING)).allowed is None


def test_what_each_list_is_at():
    """A list is read, waits for another, is published, failed, or done."""
    lists = of(
        make_report(OPEN, **READING),
        make_report(SETTLED, **READING, resource="users"),
        make_report(**READING, resource="licenses"),
        make_report(FAILED, **READING, resource="legacy-users"),
        make_report(OPEN, **UNREAD, resource="subscriptions"),
    ).lists
    assert lists == {
        "assets": "3/12",
        "users": "publishing",
        "licenses": "✓",
        "legacy-users": "failed",
        "subscriptions": "waiting for assets",
    }


def test_a_rest_counts_down():
    """A rest has its reason, and how many seconds are left of it."""
    one = of(make_report(OPEN, **READING), closing=REST)
    assert (one.rest_seconds, one.closing) == (7, REST)


def test_a_location_at_a_time():
    """Each location is for itself, in the order in which they come."""
    found = progress([make_report(**READING, uid="2"), make_report(OPEN, **READING)], {"1": REST}, NOW)
    assert [(one.uid, one.stage) for one in found] == [("2", SyncStage.DONE), ("1", SyncStage.RESTING)]
