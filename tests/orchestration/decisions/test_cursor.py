"""The chain of cursors: one step after the other, again from the start when the data move, and not for ever."""

from orchestration.decisions.cursor import decide_cursor
from orchestration.decisions.model import LOST_LIMIT, REREAD_LIMIT, CrawlFacts, Fail, Restart, Settle, Step
from storage.ledger.pages import PageFact
from storage.states import PageOutcome


def step(index, *, version="v1", is_last=False, outcome=PageOutcome.STORED, attempts=0) -> PageFact:
    """Make the fact of a step."""
    following = None if is_last else index + 1
    return PageFact(
        index=index, round=0, outcome=outcome, version=version, next_index=following, records=3, attempts=attempts
    )


def decide(*steps, restarts=0):
    """Decide from some steps."""
    return decide_cursor(CrawlFacts(round=0, rereads=0, restarts=restarts, pages=steps))


def test_one_after_the_other():
    """The next step is the first that is not there."""
    assert decide() == Step(index=0)
    assert decide(step(0), step(1)) == Step(index=2)


def test_the_end():
    """The step without a cursor is the last, and steps of one version are of one moment."""
    assert decide(step(0), step(1, is_last=True)) == Settle(is_consistent=True, version="v1", total=2)


def test_a_version_that_moves():
    """A version that moves begins the chain again; a chain that never rests goes to its end, and is torn."""
    moved = (step(0), step(1, version="v2"))
    assert decide(*moved) == Restart()
    assert decide(*moved, restarts=REREAD_LIMIT) == Step(index=2)
    ended = decide(*moved, step(2, version="v2", is_last=True), restarts=REREAD_LIMIT)
    assert ended == Settle(is_consistent=False, version="v1", total=3)


def test_no_versions_prove_nothing():
    """Steps without versions may be of any moments."""
    assert decide(step(0, version=None, is_last=True)) == Settle(is_consistent=False, version=None, total=1)


def test_a_step_without_its_list():
    """A step that came without being one is asked for again, and fails the chain in the end."""
    assert decide(step(0), step(1, outcome=PageOutcome.LOST, attempts=1)) == Step(index=1)
    assert isinstance(decide(step(0), step(1, outcome=PageOutcome.LOST, attempts=LOST_LIMIT)), Fail)


def test_a_step_that_failed():
    """A step that could not be read is the crawl's reason."""
    assert isinstance(decide(step(0), step(1, outcome=PageOutcome.FAILED)), Fail)
