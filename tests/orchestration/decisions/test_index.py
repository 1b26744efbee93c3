"""Reconcile: what the ledger shows, and what is decided from it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.decisions.index import decide_index
from orchestration.decisions.model import LOST_LIMIT, PAGE_LIMIT, REREAD_LIMIT, CrawlFacts, Fail, Fetch, Seed, Settle
from storage.ledger.pages import PageFact
from storage.states import PageOutcome


def page(index, *, total=3, version="v1", round_=1, **more) -> PageFact:
    """Make the fact of a stored page of two records."""
    values = {"next_index": index + 1 if total and index + 1 < total else None, "size": 2, "records": 2} | more
    return PageFact(index=index, round=round_, outcome=PageOutcome.STORED, version=version, total=total, **values)


def lost(index, *, attempts=LOST_LIMIT, outcome=PageOutcome.LOST, round_=1) -> PageFact:
    """Make the fact of a page that came without being one."""
    return PageFact(index=index, round=round_, outcome=outcome, attempts=attempts)


def decide(*pages, round_=1, rereads=0):
    """Decide from some pages."""
    return decide_index(CrawlFacts(round=round_, rereads=rereads, pages=pages))


def test_nothing_is_there():
    """A crawl without pages requests the first, which tells how many there are."""
    assert decide() == Seed()


def test_the_rest_is_missing():
    """After the first page, exactly the others are asked for."""
    assert decide(page(0)) == Fetch(indexes=(1, 2))


def test_only_what_is_missing():
    """What is stored is never asked for again."""
    assert decide(page(0), page(2)) == Fetch(indexes=(1,))


def test_one_moment():
    """All pages at one version and total are consistent: absence proves something."""
    assert decide(page(0), page(1), page(2)) == Settle(is_consistent=True, version="v1", total=3)


def test_an_empty_page_is_a_page():
    """A page with no records at the crawl's version is ordinary."""
    empty = page(1, size=0, records=0)
    assert decide(page(0), empty, page(2)) == Settle(is_consistent=True, version="v1", total=3)


def test_an_empty_list():
    """A resource without any record is one empty page, and consistent."""
    nothing = page(0, total=1, size=0, records=0)
    assert decide(nothing) == Settle(is_consistent=True, version="v1", total=1)


def test_a_grown_total_is_fetched():
    """A page that shows more pages than the first makes exactly those asked for."""
    grown = page(2, total=4, version="v2", next_index=3)
    assert decide(page(0), page(1), grown) == Fetch(indexes=(3,))


def test_versions_differ():
    """Pages of two moments are torn: page 0 is asked first what is current."""
    assert decide(page(0), page(1), page(2, version="v2")) == Fetch(indexes=(0,), is_reread=True)


def test_totals_differ():
    """The same version with another total is another moment too."""
    assert decide(page(0), page(1, total=2, next_index=None), page(2)) == Fetch(indexes=(0,), is_reread=True)


def test_after_the_first_page_was_read_again():
    """Every page of another state than the fresh first page is read again, and no other."""
    first = page(0, version="v2", round_=2)
    assert decide(first, page(1), page(2, version="v2"), round_=2, rereads=1) == Fetch(indexes=(1,))


def test_a_shrunk_total_leaves_pages_out():
    """Pages at or above the fresh total are gone, though they are stored."""
    first, second = page(0, total=2, version="v2", round_=2), page(1, total=2, version="v2", round_=3)
    decision = decide(first, second, page(2), round_=3, rereads=1)
    assert decision == Settle(is_consistent=True, version="v2", total=2)


def test_rereads_are_bounded():
    """Data that never rest are settled as torn in the end."""
    decision = decide(page(0), page(1), page(2, version="v2"), rereads=REREAD_LIMIT)
    assert decision == Settle(is_consistent=False, version="v1", total=3)


@pytest.mark.parametrize("outcome", [PageOutcome.LOST, PageOutcome.BEYOND])
def test_a_lost_page_is_asked_for_again(outcome):
    """9650, or no list, below the total is a lost page: it is asked for again."""
    once = lost(1, attempts=1, outcome=outcome)
    assert decide(page(0), once, page(2)) == Fetch(indexes=(1,))


@pytest.mark.parametrize("outcome", [PageOutcome.LOST, PageOutcome.BEYOND])
def test_a_page_lost_for_good_is_torn(outcome):
    """A page that never comes proves nothing about its records."""
    decision = decide(page(0), lost(1, outcome=outcome), page(2))
    assert decision == Settle(is_consistent=False, version="v1", total=3)


def test_beyond_the_end_is_gone():
    """9650 at the total is what it says."""
    beyond = lost(3, attempts=1, outcome=PageOutcome.BEYOND)
    assert decide(page(0), page(1), page(2), beyond) == Settle(is_consistent=True, version="v1", total=3)


def test_a_failed_page_fails_the_crawl():
    """A page that could not be read is the crawl's reason."""
    failed = PageFact(index=1, round=1, outcome=PageOutcome.FAILED, reason="Apple reports trouble.")
    assert decide(page(0), failed, page(2)) == Fail(reason="Apple reports trouble.")


def test_no_list_on_the_first_page():
    """Without a first page there is nothing to go by."""
    assert isinstance(decide(lost(0)), Fail)


def test_a_total_beyond_belief():
    """A claim of too many pages is refused before anything is fanned out."""
    assert isinstance(decide(page(0, total=PAGE_LIMIT + 1)), Fail)


def test_the_records_are_not_as_many_as_said():
    """A page that does not hold as many records as it says proves nothing."""
    decision = decide(page(0), page(1, records=1), page(2))
    assert decision == Settle(is_consistent=False, version="v1", total=3)


def test_a_page_that_ends_too_early():
    """A page below the last that names no next one proves nothing."""
    decision = decide(page(0), page(1, next_index=None), page(2))
    assert decision == Settle(is_consistent=False, version="v1", total=3)


def test_a_last_page_that_names_a_next():
    """The reading ends with a page that names no next one, whatever the total says."""
    assert decide(page(0), page(1), page(2, next_index=3)) == Fetch(indexes=(3,))


def test_no_version_at_all():
    """Without versions nobody knows if it was one moment."""
    decision = decide(*(page(index, version=None) for index in range(3)))
    assert decision == Settle(is_consistent=False, version=None, total=3)


def test_no_totals_walks_on():
    """Where Apple does not say how many pages there are, the next one is asked for."""
    first = page(0, total=None, next_index=1)
    assert decide(first) == Fetch(indexes=(1,))


def test_no_totals_walks_to_the_end():
    """The page without a next one is the last."""
    pages = (page(0, total=None, next_index=1), page(1, total=None, next_index=None))
    assert decide(*pages) == Settle(is_consistent=True, version="v1", total=2)


def test_a_walk_in_circles():
    """A page that says that an earlier one comes next would never end."""
    pages = (page(0, total=None, next_index=1), page(1, total=None, next_index=1))
    assert isinstance(decide(*pages), Fail)


class Server:
    """A list that changes between requests, and versions that tell."""

    def __init__(self, count: int, page_size: int) -> None:
        self.records = list(range(count))
        self.made = count
        self.page_size = page_size
        self.version = 0
        self.ever = set(self.records)

    def total(self) -> int:
        """Count the pages."""
        return max(1, -(-len(self.records) // self.page_size))

    def read(self, index: int) -> tuple[PageFact, list[int]] | None:
        """Answer one page; None beyond the end."""
        if index >= self.total():
            return None
        some = self.records[index * self.page_size : (index + 1) * self.page_size]
        following = index + 1 if index + 1 < self.total() else None
        fact = page(index, total=self.total(), version=f"v{self.version}", next_index=following)
        return fact, some

    def mutate(self, kind: str, place: int) -> None:
        """Change the list."""
        at = place % (len(self.records) + 1)
        if kind == "insert":
            self.records.insert(at, self.made)
            self.ever.add(self.made)
            self.made += 1
        elif kind == "remove" and self.records:
            self.records.pop(at - 1)
        elif kind == "grow":
            self.records[at:at] = range(self.made, self.made + 7)
            self.made += 7
        elif kind == "shrink":
            del self.records[at : at + 9]
        elif kind == "shuffle":
            self.records = self.records[at:] + self.records[:at]
        self.version += 1


def crawl(server: Server, schedule: dict[int, tuple[str, int]], order: int) -> tuple[Settle, set[int]]:
    """Drive the decisions to the end while the list changes before some requests."""
    facts: dict[int, PageFact] = {}
    bodies: dict[int, list[int]] = {}
    round_ = rereads = requests = 0
    while True:
        decision = decide_index(CrawlFacts(round=round_, rereads=rereads, pages=list(facts.values())))
        if isinstance(decision, Seed):
            decision = Fetch(indexes=(0,))
        if not isinstance(decision, Fetch):
            assert isinstance(decision, Settle)
            kept = [body for index, body in bodies.items() if index < (decision.total or 0)]
            return decision, {record for body in kept for record in body}
        round_ += 1
        rereads += decision.is_reread
        indexes = sorted(decision.indexes, key=lambda index: (index * 7919 + order) % 104729)
        for index in indexes:
            requests += 1
            if requests in schedule:
                server.mutate(*schedule[requests])
            answer = server.read(index)
            before = facts.get(index)
            if answer is None:
                attempts = (before.attempts if before else 0) + 1
                facts[index] = lost(index, attempts=attempts, outcome=PageOutcome.BEYOND, round_=round_)
                bodies.pop(index, None)
                continue
            fact, body = answer
            values = {name: getattr(fact, name) for name in PageFact.__dataclass_fields__} | {"round": round_}
            facts[index] = PageFact(**values | {"size": len(body), "records": len(body)})
            bodies[index] = body


mutations = st.tuples(st.sampled_from(["insert", "remove", "grow", "shrink", "shuffle"]), st.integers(0, 500))


@settings(max_examples=3000, deadline=None)
@given(
    count=st.integers(0, 60),
    page_size=st.integers(1, 9),
    schedule=st.dictionaries(st.integers(1, 60), mutations, max_size=6),
    order=st.integers(0, 1000),
)
def test_whatever_happens_meanwhile(count, page_size, schedule, order):
    """No schedule of changes makes a reading delete what still exists, and a quiet second one is exact."""
    server = Server(count, page_size)
    mirror = set(server.records)
    settled, read = crawl(server, schedule, order)
    if settled.is_consistent:
        assert not (mirror - read) & set(server.records)
        mirror = read
    else:
        mirror |= read
    settled, read = crawl(server, {}, order)
    assert settled.is_consistent
    assert read == set(server.records)


def test_a_first_page_without_a_list():
    """No list may be how Apple shows an empty delta: it settles as torn. A full crawl without a first page fails."""
    first = lost(0)
    nothing = CrawlFacts(round=1, rereads=0, pages=[first], is_delta=True)
    assert decide_index(nothing) == Settle(is_consistent=False, version=None, total=0)
    assert isinstance(decide(first), Fail)
