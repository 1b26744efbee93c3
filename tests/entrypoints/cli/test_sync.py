"""How a sync ended, as the exit status of `pageturner sync` says it."""

import pytest

from entrypoints.cli.commands.sync import Unsynced, stopped, verdict
from entrypoints.exits import Exit
from storage.states import CrawlKind, CrawlState, Trouble
from tests.support.examples import make_report

FAILED = CrawlState.FAILED


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        ([make_report(), make_report(CrawlState.UNCHANGED, resource="users")], Exit.IN_STEP),
        ([make_report(), make_report(held_deletes=3, resource="users")], Exit.PERSON),
        ([make_report(), make_report(FAILED, trouble=Trouble.AWAY, resource="users")], Exit.PARTLY),
        ([make_report(FAILED, trouble=Trouble.AWAY)], Exit.AWAY),
        ([make_report(FAILED, trouble=Trouble.BUG)], Exit.FAILED),
        (
            [
                make_report(FAILED, trouble=Trouble.AWAY),
                make_report(FAILED, trouble=Trouble.PERSON, resource="users"),
            ],
            Exit.PERSON,
        ),
    ],
)
def test_how_a_sync_ended(reports, status):
    """The exit status says what to do about it."""
    assert verdict(reports, []) is status


def test_the_last_crawl_of_a_stream_counts():
    """A failed crawl that a better one followed is forgotten; a spot crawl is another thing."""
    failed = make_report(FAILED, trouble=Trouble.AWAY)
    assert verdict([failed, make_report()], []) is Exit.IN_STEP
    spot = make_report(FAILED, trouble=Trouble.AWAY, kind=CrawlKind.SPOT)
    assert verdict([make_report(), spot], []) is Exit.PARTLY


def test_a_location_that_was_not_synced():
    """A token that is out of date needs a person, or makes a part of several."""
    unsynced = [Unsynced(name="hq", uid="1", problem="expired")]
    assert verdict([], unsynced) is Exit.PERSON
    assert verdict([make_report()], unsynced) is Exit.PARTLY


def test_what_is_kept_of_a_stopped_sync():
    """Whoever stops a sync is told what is kept, and the command that goes on; or that workers go on anyhow."""
    reports = [make_report(pages=9), make_report(CrawlState.OPEN, pages=180, resource="assignments")]
    words = "Stopped: 1 of 2 lists are done, and 180 pages of the others are kept."
    assert stopped(reports, [], is_alone=True) == f"{words} `pageturner sync` goes on from there."
    assert stopped(reports, ["my hq"], is_alone=True) == f"{words} `pageturner sync 'my hq'` goes on from there."
    assert "The workers go on by themselves: `pageturner status`" in stopped(reports, [], is_alone=False)
