"""Batches of the legacy service: what the ledger shows, and what is decided from it."""

import pytest

from orchestration.decisions.batch import decide_batch
from orchestration.decisions.model import (
    LOST_LIMIT,
    PAGE_LIMIT,
    REREAD_LIMIT,
    ROUND_LIMIT,
    CrawlFacts,
    Fail,
    Fetch,
    Restart,
    Seed,
    Settle,
)
from storage.ledger.pages import AGAIN, BASE, CHECK, END, PageFact
from storage.states import PageOutcome


def batch(index, *, total=4, version=None, outcome=PageOutcome.STORED, records=5, **more) -> PageFact:
    """Make the fact of a batch; one with a version is the last."""
    values = {"next_index": None if version else index + 1, "records": records} | more
    return PageFact(index=index, round=1, outcome=outcome, version=version, total=total, **values)


FIRST, SECOND, THIRD, LAST = batch(0), batch(1), batch(2), batch(3, version="t1")
START = batch(BASE)
ENDED = batch(END, version="t9")
ALL = (FIRST, SECOND, THIRD, LAST, START, ENDED)
SAME = batch(AGAIN)
NOTHING = batch(CHECK, total=1, version="t2", records=0)


def decide(*batches, **more):
    """Decide from some batches."""
    return decide_batch(CrawlFacts(**{"round": 1, "rereads": 0, "pages": batches} | more))


def test_nothing_is_there():
    """A crawl without batches requests the first, which tells how many there are."""
    assert decide() == Seed()


@pytest.mark.parametrize(
    ("batches", "indexes"),
    [
        ((FIRST,), (3,)),
        ((FIRST, LAST), (BASE,)),
        ((FIRST, LAST, START), (END,)),
        ((FIRST, LAST, START, ENDED), (1, 2)),
        ((FIRST, SECOND, LAST, START, ENDED), (2,)),
        (ALL, (AGAIN,)),
        ((*ALL, SAME), (CHECK,)),
        ((FIRST, batch(3, outcome=PageOutcome.LOST, attempts=1)), (3,)),
        ((batch(0, outcome=PageOutcome.LOST, attempts=1),), (0,)),
    ],
    ids=str,
)
def test_what_is_requested(batches, indexes):
    """First the first, then the last alone, then the others, then what proves that nothing changed meanwhile."""
    assert decide(*batches) == Fetch(indexes=indexes)


def test_one_answer():
    """A list that came in one answer is of one moment."""
    assert decide(batch(0, total=1, version="t1")) == Settle(is_consistent=True, version="t1", total=1)


def test_nothing_changed_meanwhile():
    """All agree and a delta from the last batch's token is empty: consistent, and the delta's token is the newest."""
    assert decide(*ALL, SAME, NOTHING) == Settle(is_consistent=True, version="t2", total=4)


@pytest.mark.parametrize(
    "check",
    [
        batch(CHECK, total=1, version="t2", records=1),
        batch(CHECK, total=3, records=0),
        batch(CHECK, outcome=PageOutcome.LOST, attempts=LOST_LIMIT),
    ],
    ids=["a record", "an empty batch with more to come", "no answer"],
)
def test_something_changed_meanwhile(check):
    """Anything but an empty delta leaves the reading torn, to be caught up with from the last batch's token."""
    assert decide(*ALL, SAME, check) == Settle(is_consistent=False, version="t1", total=4)


@pytest.mark.parametrize(
    "batches",
    [(*ALL, batch(AGAIN, total=3), NOTHING), (FIRST, batch(1, total=3), THIRD, LAST, START, ENDED)],
    ids=["at the end", "on the way"],
)
def test_totals_that_differ(batches):
    """A total that drifts begins again with a new batch token, and is torn in the end."""
    assert decide(*batches) == Restart()
    assert decide(*batches, restarts=REREAD_LIMIT) == Settle(is_consistent=False, version="t1", total=4)


def test_a_total_that_grows():
    """A batch that shows more batches makes exactly the new last one asked for."""
    assert decide(FIRST, batch(1, total=6), LAST) == Fetch(indexes=(5,))


def test_a_list_that_became_shorter():
    """A removal is in no list of changes; it makes the whole list shorter all the same."""
    batches = (batch(0, size=19), SECOND, THIRD, LAST, batch(BASE, size=20), ENDED)
    assert decide(*batches, batch(AGAIN, size=19), NOTHING).is_consistent is False
    assert decide(*batches, batch(AGAIN, size=20), NOTHING).is_consistent is True


def test_a_last_batch_that_is_lost_the_second_time():
    """What left the last batch before all were counted is in no list: without it read once more, nothing is proven."""
    lost = batch(END, outcome=PageOutcome.LOST, attempts=LOST_LIMIT)
    assert decide(*ALL[:-1], lost, SAME, NOTHING).is_consistent is False


def test_a_long_delta_is_proven_too():
    """What changes between the batches of a delta may slip past all of them."""
    assert decide(*ALL, is_delta=True) == Fetch(indexes=(AGAIN,))


def test_a_last_batch_that_never_brings_its_token():
    """Without the token, nothing can be gone on from: torn, and in full again the next time."""
    lost = batch(3, outcome=PageOutcome.LOST, attempts=LOST_LIMIT)
    assert decide(FIRST, SECOND, THIRD, lost, START, ENDED) == Settle(is_consistent=False, version=None, total=4)


def test_no_totals():
    """Where Apple does not say how many there are, one is asked for after the other, and absence proves nothing."""
    assert decide(batch(0, total=None)) == Fetch(indexes=(1,))
    assert decide(batch(0, total=None), batch(1, total=None)) == Fetch(indexes=(2,))
    ended = decide(batch(0, total=None), batch(1, total=None, version="t1"))
    assert ended == Settle(is_consistent=False, version="t1", total=2)


@pytest.mark.parametrize(
    "first",
    [
        batch(0, outcome=PageOutcome.LOST, attempts=LOST_LIMIT),
        batch(0, total=PAGE_LIMIT + 2),
        batch(0, outcome=PageOutcome.FAILED),
    ],
    ids=["no token", "too many", "no answer"],
)
def test_what_fails(first):
    """A first answer that leads nowhere fails the crawl."""
    assert isinstance(decide(first), Fail)


def test_a_proof_that_got_lost():
    """If the batch that is read again, or the list of changes, never arrives, the crawl is torn."""
    gone = batch(AGAIN, outcome=PageOutcome.LOST, attempts=LOST_LIMIT)
    assert decide(*ALL, gone, NOTHING).is_consistent is False
    assert decide(*ALL, round=ROUND_LIMIT).is_consistent is False


def test_batches_without_a_count():
    """Without a count, batches are read one after the other until one is lost, or until there are too many."""
    assert decide(batch(0, total=None)) == Fetch(indexes=(1,))
    gone = batch(1, total=None, outcome=PageOutcome.LOST, attempts=LOST_LIMIT)
    assert decide(batch(0, total=None), gone) == Settle(is_consistent=False, version=None, total=1)
    endless = [batch(index, total=None) for index in range(PAGE_LIMIT)]
    assert isinstance(decide(*endless), Fail)
