"""Fetch: one page of a crawl, from Apple into the ledger. It returns the outcome, and does not act on it."""

import logging
import random
from dataclasses import dataclass, replace

from apple.answers import Answer
from apple.errors import AppleError, BadAnswer
from apple.pages import Page, read_page
from apple.questions import AssetKey, Question
from apple.resources import RESOURCES, Paging, Resource
from storage.errors import DatabaseAway
from storage.ledger.crawls import PAGES_A_SCOPE, Crawl
from storage.ledger.pages import AGAIN, BASE, CHECK, END, Content, PageFact, PageJob
from storage.locations import Location
from storage.states import Cause, CrawlKind, LocationState, PageOutcome, Trouble
from storage.store import Store

from .decisions.retry import Dead, GaveUp, NoSuchPage, Postponed, Refused, decide_retry
from .gate import NoPermit
from .gate.client import GatedClient
from .log_context import about
from .metrics import Metrics
from .queue import message_id
from .tokens import check_owner, note_expiry

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The ledger has the outcome of the page."""

    page: PageFact


#: Every outcome of fetching a page.
FetchOutcome = Stored | Postponed | Dead | GaveUp | Refused


class Fetcher:
    """Fetches pages."""

    def __init__(self, store: Store, client: GatedClient, metrics: Metrics) -> None:
        self._store = store
        self._client = client
        self._metrics = metrics

    def fetch(self, job: PageJob, index: int) -> FetchOutcome:
        """Fetch a page into the ledger, unless the ledger has it; return the outcome."""
        if job.page is not None and _is_done(job.crawl, job.page):
            return Stored(page=job.page)
        if job.token is None:
            return GaveUp(cause=Cause(reason="The location is no longer watched.", trouble=Trouble.PERSON))
        try:
            return Stored(page=self._request(job, index))
        except NoPermit as full:
            return Postponed(seconds=full.seconds)
        except AppleError as error:
            return self._explain(job, index, error)

    def _request(self, job: PageJob, index: int) -> PageFact:
        assert job.token is not None  # noqa: S101 - the caller has looked
        question = self._question(job.crawl, index)
        answer = self._client.page(job.crawl.uid, message_id(job.crawl, index), question, job.token)
        page = read_page(question, answer.body)
        if page.cursor is not None and page.cursor == question.cursor and question.resource.paging is Paging.CURSOR:
            raise BadAnswer(f"({question}: its cursor leads back to it)")
        check_owner(self._store.locations, job.location, page.uid, page.owner, page.owner_name)
        self._note_token(job.location, question.resource, page)
        return self._keep_page(job, index, page, answer)

    def _explain(self, job: PageJob, index: int, error: AppleError) -> FetchOutcome:
        """Return the outcome of an error; a failed attempt is stored in the ledger first."""
        crawl, earlier, attempts = job.crawl, _earlier(job), _attempts(job)
        self._metrics.count("errors", resource=crawl.resource, error=type(error).__name__)
        with about(stream=crawl.resource):
            log.info("Not answered, attempt %d: %s", attempts, error)
        now = self._store.now()
        since = (earlier.trying_since if earlier is not None else None) or now
        trying = PageFact(
            index=index,
            round=crawl.round,
            outcome=PageOutcome.TRYING,
            attempts=attempts,
            reason=str(error),
            trying_since=since,
        )
        match decide_retry(error, attempts, now - since):
            case Postponed(is_attempt=True) as postponed:
                self._keep(crawl, trying)
                spread = random.uniform(0.9, 1.1)  # noqa: S311 - no secret
                return replace(postponed, seconds=postponed.seconds * spread)
            case NoSuchPage():
                return Stored(page=self._keep(crawl, replace(trying, outcome=PageOutcome.BEYOND)))
            case GaveUp(cause=cause):
                cause = replace(cause, reason=f"{_name(crawl, index)}: {cause.reason}")
                failed = self._keep(
                    crawl, replace(trying, outcome=PageOutcome.FAILED, reason=cause.reason, error=cause.error)
                )
                if crawl.kind is CrawlKind.SPOT:  # the other assets of the crawl may well be read
                    return Stored(page=failed)
                return GaveUp(cause=cause)
            case Postponed() | Dead() | Refused() as outcome:
                return outcome

    def _question(self, crawl: Crawl, index: int) -> Question:
        resource = RESOURCES[crawl.resource]
        if crawl.kind is CrawlKind.SPOT:
            scope = crawl.scopes[index // PAGES_A_SCOPE]
            asset = AssetKey(adam_id=scope.adam_id, pricing_param=scope.pricing_param)
            return Question(resource=resource, index=index % PAGES_A_SCOPE, asset=asset)
        if resource.paging is Paging.INDEX:
            return Question(resource=resource, index=index, since=crawl.since)
        if index in {0, AGAIN, BASE}:
            return Question(resource=resource, since=crawl.since)
        if resource.paging is Paging.CURSOR:
            return Question(resource=resource, index=index, cursor=self._store.pages.cursor(crawl.id, index - 1))
        return self._batch(crawl, index)

    def _batch(self, crawl: Crawl, index: int) -> Question:
        resource, pages = RESOURCES[crawl.resource], self._store.pages
        first = pages.find(crawl.id, 0)
        end = (first.total or 1) - 1 if first is not None else 0
        if index == CHECK:
            last = pages.find(crawl.id, end)
            return Question(resource=resource, since=None if last is None else last.version)
        is_numbered = first is not None and first.total is not None
        token = pages.cursor(crawl.id, 0 if is_numbered else index - 1)
        number = end if index == END else index
        return Question(resource=resource, index=number, cursor=token, is_numbered=is_numbered)

    def _keep_page(self, job: PageJob, index: int, page: Page, answer: Answer) -> PageFact:
        crawl = job.crawl
        is_lost = page.records is None or _lacks_its_token(crawl, page)
        fact = PageFact(
            index=index,
            round=crawl.round,
            outcome=PageOutcome.LOST if is_lost else PageOutcome.STORED,
            version=page.version,
            total=page.total,
            next_index=page.next_index,
            size=page.size,
            records=None if page.records is None else len(page.records),
            attempts=_attempts(job) if is_lost else 0,
        )
        content = Content()
        if page.records is not None and not is_lost:
            content = job.content(page.records, answer.packed)
        self._keep(crawl, fact, replace(content, cursor=page.cursor, seconds=answer.seconds))
        with about(stream=crawl.resource):
            words = "Page %d of %s: %s, %s records in %.2f s."
            log.debug(words, index, fact.total, fact.outcome, fact.records, answer.seconds)
        self._metrics.count("pages", resource=crawl.resource, outcome=fact.outcome)
        self._metrics.count("records", fact.records or 0, resource=crawl.resource)
        self._metrics.observe("page_seconds", answer.seconds, resource=crawl.resource)
        return fact

    def _keep(self, crawl: Crawl, fact: PageFact, content: Content | None = None) -> PageFact:
        """Store the outcome of a page. If that fails, hold the gate: more pages would be requested in vain."""
        try:
            self._store.pages.store(crawl.id, fact, content)
        except DatabaseAway:
            self._client.hold(crawl.uid)
            raise
        return fact

    def _note_token(self, location: Location, resource: Resource, page: Page) -> None:
        # Only lists that name the owner can prove that the location is not another's.
        is_proof = location.state is not LocationState.FOREIGN or resource.paging is Paging.INDEX
        if location.state is not LocationState.VALID and is_proof:
            self._store.locations.mark(location.id, LocationState.VALID, seen=location.state)
        note_expiry(self._store.locations, location, page.token_expires)


def _is_done(crawl: Crawl, page: PageFact) -> bool:
    """Return whether a page needs nothing more in this round."""
    if page.outcome is PageOutcome.TRYING:
        return False
    if crawl.is_chained:  # a chain has no rounds: it goes on until it begins again
        return page.round >= crawl.floor and page.outcome is not PageOutcome.LOST
    return page.round >= crawl.round


def _earlier(job: PageJob) -> PageFact | None:
    """Return what is known of the page since the crawl began, or began again; None if nothing is."""
    return job.page if job.page is not None and job.page.round >= job.crawl.floor else None


def _attempts(job: PageJob) -> int:
    """Return how many times the page was requested since then, this time included."""
    earlier = _earlier(job)
    return 1 + (earlier.attempts if earlier is not None else 0)


def _name(crawl: Crawl, index: int) -> str:
    if crawl.kind is not CrawlKind.SPOT:
        return f"{crawl.resource}, page {index}"
    scope = crawl.scopes[index // PAGES_A_SCOPE]
    return f"{crawl.resource} of asset {scope.adam_id} {scope.pricing_param}, page {index % PAGES_A_SCOPE}"


def _lacks_its_token(crawl: Crawl, page: Page) -> bool:
    """Return whether a batch came without the token that it must carry; it is then requested again."""
    if RESOURCES[crawl.resource].paging is not Paging.BATCH or page.version is not None:
        return False
    return page.cursor is None if page.total is None else page.index == page.total - 1
