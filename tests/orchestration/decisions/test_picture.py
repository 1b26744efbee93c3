"""A crawl as people watch it."""

from datetime import timedelta
from itertools import pairwise

import pytest

from orchestration.decisions.picture import LANES, MOST_BARS, MOST_CELLS, PageState, Sight, picture
from storage.ledger.crawls import PAGES_A_SCOPE, Scope
from storage.ledger.pages import PageSight
from storage.ledger.waits import Wait
from storage.states import CrawlKind, CrawlState, PageOutcome, Reason
from tests.support.examples import NOW, make_crawl

SECOND = timedelta(seconds=1)


def page(index: int, at: float = 1.0, **more) -> PageSight:
    """Make a page whose answer was in so many seconds after the beginning, and took half a second."""
    values = {"round": 1, "outcome": PageOutcome.STORED, "attempts": 1, "records": 10, "total": 4, "version": "v1"}
    values |= {"reason": None, "fetched_at": NOW + at * SECOND, "seconds": 0.5}
    return PageSight(index=index, **values | more)


def drawn(*pages: PageSight, state=CrawlState.OPEN, kind=CrawlKind.FULL, **more):
    """Draw a crawl of assignments, nine seconds after its beginning."""
    counts = {"round": 1, "floor": 0, "rereads": 0, "restarts": 0, "drift": 0, "total": 4}
    sight = {name: more.pop(name) for name in ("waits", "at_apple", "waiting", "ended_at", "result") if name in more}
    crawl = make_crawl(state=state, kind=kind, id=7, **counts | more)
    return picture(crawl, Sight(pages=pages, **sight), NOW + 9 * SECOND)


def states(seen) -> list[PageState]:
    """Return the states of all cells."""
    return [one.state for one in seen.cells]


def test_each_page_is_somewhere():
    """Stored, at Apple, waiting, or not asked for yet: there are as many cells as pages."""
    seen = drawn(page(0, round=0), at_apple=frozenset({1}), waiting=frozenset({2}))
    assert states(seen) == [PageState.STORED, PageState.IN_FLIGHT, PageState.WAITING, PageState.MISSING]
    assert (seen.pages, seen.total, seen.records) == (1, 4, 10)
    assert seen.counts[PageState.STORED] == 1


def test_what_happened_to_a_page():
    """One that Apple has no more is gone, one that failed says why, and one that is tried again how often."""
    seen = drawn(
        page(0),
        page(1, outcome=PageOutcome.BEYOND),
        page(2, outcome=PageOutcome.TRYING, attempts=3, reason="Apple is away."),
        page(3, outcome=PageOutcome.FAILED, reason="It is broken."),
    )
    assert states(seen) == [PageState.STORED, PageState.GONE, PageState.TRYING, PageState.FAILED]
    assert seen.cells[2].words == "Page 3: trying again, attempt 3: Apple is away."
    assert [one.words for one in seen.events if one.is_notable] == [
        "Page 3 trying, attempt 3: Apple is away.",
        "Page 4 failed: It is broken.",
    ]


def test_a_page_that_is_read_again():
    """It shows until the end that the data moved, and waits where it is still to come."""
    seen = drawn(page(0), page(1, round=3), page(2), round=3, rereads=1, waiting=frozenset({2}))
    assert states(seen)[:3] == [PageState.STORED, PageState.REREAD, PageState.WAITING]
    assert any("1 page was read again" in one.words for one in seen.events)
    assert [one.is_reread for one in seen.bars] == [False, True, False]


def test_pages_of_later_rounds_may_be_new():
    """Of a list that only grew, no page was read again."""
    assert states(drawn(page(0), page(3, round=2), round=2))[3] is PageState.STORED


def test_a_page_of_an_earlier_start_counts_no_more():
    """After a restart all pages are to be read."""
    assert states(drawn(page(0, round=1), round=4, floor=3))[0] is PageState.MISSING


def test_drift_is_told_in_words():
    """When Apple shows another number of pages, and when another version."""
    seen = drawn(page(0), page(1, at=2.0, total=5), page(2, at=3.0, total=5, version="v2"))
    assert [one.words for one in seen.events][1:] == [
        "Apple has 5 pages now, 4 before.",
        "The data changed: Apple shows another version.",
    ]
    assert seen.total == 5


def test_drift_without_traces_is_told_too():
    """What the pages do not show any more, the crawl has counted."""
    assert any("changed 2 times" in one.words for one in drawn(page(0), drift=2).events)


def test_rests_are_told():
    """Whether Apple asked for one, or was away."""
    waits = [
        Wait(gate="1", begun_at=NOW + SECOND, seconds=12.0, is_asked=True, error=None),
        Wait(gate="1", begun_at=NOW + 2 * SECOND, seconds=3.0, is_asked=False, error=None),
    ]
    told = [one.words for one in drawn(page(0), waits=waits).events]
    assert "Apple asked for a rest of 12 s." in told
    assert "Apple did not answer: requests rested for 3 s." in told


def test_five_lanes():
    """Requests that overlap are in different lanes, others may share one; there is no sixth lane."""
    pages = [page(number, at=1.0 + number // LANES * 0.5) for number in range(13)]
    seen = drawn(*pages, total=13)
    assert {one.lane for one in seen.bars} == set(range(LANES))
    for lane in range(LANES):
        mine = sorted((one.start, one.start + one.seconds) for one in seen.bars if one.lane == lane)
        assert all(end <= start + 1e-9 for (_, end), (start, _) in pairwise(mine))


def test_the_ideal():
    """Five at a time as fast as Apple answers; along cursors one after the other."""
    pages = [page(number) for number in range(4)]
    seen = drawn(*pages, state=CrawlState.PUBLISHED, ended_at=NOW + 3 * SECOND)
    assert (seen.seconds, seen.ideal_seconds, seen.answer_seconds) == (3.0, 0.5, 0.5)
    assert drawn(*pages, resource="subscriptions").ideal_seconds == 2.0


def test_very_many_pages():
    """A cell stands for several pages and shows the worst of them; the first bars are left out."""
    count = 2 * MOST_CELLS
    pages = [page(number, total=count) for number in range(count)]
    pages[7] = page(7, total=count, outcome=PageOutcome.FAILED)
    seen = drawn(*pages, total=count)
    assert len(seen.cells) == MOST_CELLS
    assert seen.cells[3].state is PageState.FAILED
    assert seen.cells[3].words == "Pages 7 to 8: failed"
    assert (len(seen.bars), seen.hidden_bars) == (MOST_BARS, count - 1 - MOST_BARS)


def test_pages_of_some_assets_are_named():
    """A crawl of some assets says of which each page is."""
    scopes = (Scope(adam_id="11", pricing_param="STDQ"), Scope(adam_id="22", pricing_param="STDQ"))
    seen = drawn(page(PAGES_A_SCOPE), kind=CrawlKind.SPOT, scopes=scopes, total=None)
    assert [one.words.partition(":")[0] for one in seen.cells] == ["Asset 22, page 1"]


@pytest.mark.parametrize(
    ("state", "more", "words"),
    [
        (CrawlState.PUBLISHED, {"result": "3 new"}, "Published: 3 new."),
        (CrawlState.PUBLISHED, {"is_consistent": False}, "nothing was deleted."),
        (CrawlState.UNCHANGED, {}, "Nothing had changed."),
        (CrawlState.FAILED, {"reason": "Apple is away."}, "It failed: Apple is away."),
    ],
)
def test_the_end(state, more, words):
    """What came of it."""
    seen = drawn(page(0), state=state, ended_at=NOW + 5 * SECOND, **more)
    assert words in seen.events[-1].words


def test_the_beginning():
    """Why everything is read, if something asked for it."""
    assert drawn(forced_by=Reason.DEEP).events[0].words == "Everything is read (due)."
    assert drawn(kind=CrawlKind.DELTA).events[0].words == "What changed is read."


def test_pages_worth_a_look():
    """Those that something happened to, the worst first, then those that took the longest."""
    seen = drawn(
        page(0, seconds=0.1),
        page(1, seconds=0.9),
        page(2, outcome=PageOutcome.FAILED, reason="It is broken.", seconds=None),
        page(3, round=3),
        round=3,
        rereads=1,
    )
    assert [one.name for one in seen.notes] == ["Page 3", "Page 4", "Page 2", "Page 1"]
    assert seen.notes[0].reason == "It is broken."
