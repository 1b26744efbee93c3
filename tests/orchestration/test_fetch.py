"""Fetching one page: what is requested, what is stored, and what is returned, in memory."""

import pytest

from orchestration.decisions.retry import Dead, GaveUp, Postponed, Refused
from orchestration.fetch import Fetcher, Stored
from orchestration.gate import Message
from orchestration.gate.gate import TASK_SECONDS
from orchestration.queue import message_id
from storage.ledger.pages import PageJob
from storage.states import LocationState, PageOutcome, Trouble
from tests.support.memory import MemoryPlace, make_place


@pytest.fixture
def place() -> MemoryPlace:
    """An installation with one location, and a sync that was just opened."""
    made = make_place(resources=["assignments"])
    made.process.use_cases.syncer.open(made.location, None, full=True)
    return made


def fetcher(place: MemoryPlace) -> Fetcher:
    """Return the use case of a process."""
    return place.process.use_cases.crawl_tasks._fetcher


def job(place: MemoryPlace, index: int = 0) -> PageJob:
    """Return what fetching a page of the one crawl needs."""
    [crawl] = place.store.crawls.of_sync(1)
    return place.store.pages.job(crawl.id, index)


def fetch(place: MemoryPlace, index: int = 0):
    """Fetch a page."""
    return fetcher(place).fetch(job(place, index), index)


def requests(place: MemoryPlace) -> int:
    """Count the requests for the list."""
    return place.apple.traffic.by_resource.get("assignments", 0)


def test_a_page_is_stored(place):
    """A page is in the ledger before the outcome is returned, with all that a decision needs."""
    outcome = fetch(place)
    assert isinstance(outcome, Stored)
    kept = place.store.pages.find(1, 0)
    assert kept == outcome.page
    assert (kept.outcome, kept.total, kept.next_index, kept.size, kept.records) == (PageOutcome.STORED, 5, 1, 10, 10)
    assert kept.version is not None


def test_a_stored_page_is_not_requested_again(place):
    """A page that the ledger has in this round costs no request, and is returned as it stands."""
    first = fetch(place)
    assert fetch(place) == first
    assert requests(place) == 1


def test_a_page_beyond_the_end(place):
    """A page that Apple has not is stored as such: whether it should be there is for the decision."""
    message = Message(id=message_id(job(place).crawl, 99), payload="{}")
    place.process.gate.park(place.location.uid, [message], 3)
    outcome = fetch(place, 99)
    assert isinstance(outcome, Stored)
    assert outcome.page.outcome is PageOutcome.BEYOND


def test_a_page_without_its_list(place):
    """An answer without a list is no page: it is stored as lost, and requested again only in another round."""
    place.break_("assignments", kind="lost")
    outcome = fetch(place)
    assert (outcome.page.outcome, outcome.page.attempts) == (PageOutcome.LOST, 1)
    assert fetch(place) == outcome
    assert requests(place) == 1


@pytest.mark.parametrize("kind", ["html", "truncated", "shape", "garbage-after-gzip"])
def test_an_answer_that_is_none(place, kind):
    """What is no page is tried again after a wait; the ledger counts the attempts, and since when."""
    place.break_("assignments", kind=kind, status=200)
    outcome = fetch(place)
    assert isinstance(outcome, Postponed)
    assert outcome.is_attempt
    assert 0.9 <= outcome.seconds <= 1.1
    kept = place.store.pages.find(1, 0)
    assert (kept.outcome, kept.attempts) == (PageOutcome.TRYING, 1)
    assert kept.trying_since == place.around.clock.now()


def test_waits_grow_and_end(place):
    """Each failure doubles the wait; after a minute and a half the page is given up, with its place and its error."""
    place.break_("assignments", kind="html", status=200, times=99)
    waits = []
    outcome = fetch(place)
    while isinstance(outcome, Postponed):
        waits.append(outcome.seconds)
        place.around.clock.sleep(outcome.seconds + TASK_SECONDS)
        outcome = fetch(place)
    assert isinstance(outcome, GaveUp)
    assert 5 <= len(waits) <= 8
    assert waits[:3] == sorted(waits[:3])
    assert outcome.cause.reason.startswith("assignments, page 0: Apple's answer could not be understood")
    assert (outcome.cause.trouble, outcome.cause.error) == (Trouble.AWAY, "BadAnswer")
    assert place.store.pages.find(1, 0).outcome is PageOutcome.FAILED


def test_too_many_requests_cost_no_attempt(place):
    """Throttling is waited for at the gate, and is no attempt of the page."""
    place.break_("assignments", kind="error", status=429, number=9646)
    assert fetch(place) == Postponed(seconds=0.0)
    assert place.store.pages.find(1, 0) is None
    assert place.process.gate.look(place.location.uid).shut_seconds > 0


def test_a_shut_gate_is_waited_for(place):
    """Without a permit there is no request, and the message comes again when there may be one."""
    place.process.gate.shut(place.location.uid, 60.0)
    assert fetch(place) == Postponed(seconds=60.0)
    assert requests(place) == 0


def test_a_list_that_is_not_for_the_token(place):
    """A list that the token may not read fails its crawl for a person, and nothing else."""
    place.break_("assignments", kind="status", status=403)
    outcome = fetch(place)
    assert isinstance(outcome, GaveUp)
    assert (outcome.cause.trouble, outcome.cause.error) == (Trouble.PERSON, "Forbidden")
    assert place.store.locations.find(place.location.uid).state is LocationState.VALID


def test_a_refused_token(place):
    """A token that was revoked stops the location, whatever page it was; the ledger keeps no page of it."""
    place.apple.give_token()
    outcome = fetch(place)
    assert isinstance(outcome, Refused)
    assert (outcome.state, outcome.cause.error) == (LocationState.REVOKED, "TokenRevoked")
    assert place.store.pages.find(1, 0) is None


def test_somebody_elses_page(place):
    """A page of another location is never stored."""
    place.break_("assignments", kind="other-location")
    outcome = fetch(place)
    assert isinstance(outcome, Refused)
    assert outcome.cause.error == "OtherLocation"
    assert place.store.pages.find(1, 0) is None


def test_a_version_that_is_dead(place):
    """A delta whose version Apple no longer knows begins again."""
    fetch(place)
    place.run()
    place.change("assignments", insert=1)
    place.apple.expire("versions")
    place.process.use_cases.syncer.open(place.location, None, full=False)
    [crawl] = place.store.crawls.of_sync(2)
    outcome = fetcher(place).fetch(place.store.pages.job(crawl.id, 0), 0)
    assert isinstance(outcome, Dead)
    assert outcome.cause.error == "StaleVersion"


def test_a_location_that_was_removed(place):
    """Of a location that is no longer watched nothing is requested."""
    place.store.locations.remove(place.location.name)
    outcome = fetch(place)
    assert isinstance(outcome, GaveUp)
    assert outcome.cause.reason == "The location is no longer watched."
    assert requests(place) == 0


def test_a_token_that_works_again(place):
    """A page that Apple answers shows that the token is good, whatever was noted of it before."""
    place.store.locations.mark(place.location.id, LocationState.WRONG, "before", "TokenWrong")
    fetch(place)
    found = place.store.locations.find(place.location.uid)
    assert (found.state, found.problem, found.error) == (LocationState.VALID, None, None)
