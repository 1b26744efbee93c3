"""Fetching: one page of a crawl from Apple into the ledger, and what to do where Apple answers something else."""

import logging
import random
from dataclasses import dataclass, replace

from apple.answers import Answer
from apple.errors import AppleError, BadAnswer
from apple.pages import Page, read_page
from apple.questions import AssetKey, Question
from apple.resources import RESOURCES, Paging, Resource
from apple.tokens import Token
from storage.clock import Clock
from storage.errors import DatabaseAway
from storage.ledger.crawls import PAGES_A_SCOPE, Crawl, Crawls
from storage.ledger.orders import Order
from storage.ledger.pages import AGAIN, BASE, CHECK, END, Content, PageFact, Pages
from storage.locations import Location, Locations
from storage.mirror.counts import Counts
from storage.schema import CrawlKind, LocationState, PageOutcome

from .decisions import retry
from .failure import Failing
from .gate.client import GatedClient
from .log_context import about
from .metrics import Metrics
from .queue import Postponed, message_id
from .tokens import check_owner, note_expiry

log = logging.getLogger(__name__)

#: How often a crawl begins again because what it went on from was dead; then it fails, and is due again later.
RESTART_LIMIT = 5


class StartedOver(Exception):
    """The crawl began again from nothing: there is no page to go on with."""


@dataclass(frozen=True, kw_only=True)
class FetchStores:
    """What is remembered, as far as fetching a page needs it."""

    locations: Locations
    crawls: Crawls
    pages: Pages
    counts: Counts
    clock: Clock


class Fetcher:
    """Fetches pages."""

    def __init__(self, stores: FetchStores, asking: GatedClient, tally: Metrics) -> None:
        self._stores = stores
        self._asking = asking
        self._tally = tally
        self._failing = Failing(stores.crawls, stores.counts, tally)

    def fetch(self, order: Order, index: int) -> PageFact | None:
        """Fetch a page into the ledger, unless it is there; None where the crawl ended over it."""
        crawl, known, token = order.crawl, order.page, order.token
        if known is not None and _is_done(crawl, known):
            return known
        if token is None:
            self._failing.fail(crawl, "The location is no longer watched.", retry.Trouble.PERSON)
            return None
        mine = known if known is not None and known.round >= crawl.floor else None
        attempts = (mine.attempts if mine is not None else 0) + 1
        try:
            return self._ask(order, token, index, attempts)
        except AppleError as error:
            since = (mine.trying_since if mine is not None else None) or self._stores.clock.now()
            trying = PageFact(
                index=index,
                round=crawl.round,
                outcome=PageOutcome.TRYING,
                attempts=attempts,
                reason=str(error),
                trying_since=since,
            )
            return self._obey(order, trying, error)

    def _ask(self, order: Order, token: Token, index: int, attempts: int) -> PageFact:
        crawl, location = order.crawl, order.location
        question = self._question(crawl, index)
        message = message_id(crawl.id, crawl.round, index)
        answer = self._asking.page(crawl.uid, message, question, token)
        page = read_page(question, answer.body)
        if page.cursor is not None and page.cursor == question.cursor and question.resource.paging is Paging.CURSOR:
            raise BadAnswer(f"({question}: its cursor leads back to it)")
        check_owner(self._stores.locations, location, page.uid, page.owner, page.owner_name)
        self._note_token(location, question.resource, page)
        return self._store(crawl, index, page, answer, attempts)

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
            return Question(resource=resource, index=index, cursor=self._stores.pages.cursor(crawl.id, index - 1))
        return self._batch(crawl, index)

    def _batch(self, crawl: Crawl, index: int) -> Question:
        resource, pages = RESOURCES[crawl.resource], self._stores.pages
        first = pages.find(crawl.id, 0)
        end = (first.total or 1) - 1 if first is not None else 0
        if index == CHECK:
            last = pages.find(crawl.id, end)
            return Question(resource=resource, since=None if last is None else last.version)
        is_numbered = first is not None and first.total is not None
        token = pages.cursor(crawl.id, 0 if is_numbered else index - 1)
        number = end if index == END else index
        return Question(resource=resource, index=number, cursor=token, is_numbered=is_numbered)

    def _store(self, crawl: Crawl, index: int, page: Page, answer: Answer, attempts: int) -> PageFact:
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
            attempts=attempts if is_lost else 0,
        )
        content = Content(body=None if is_lost else answer.packed, cursor=page.cursor, seconds=answer.seconds)
        self._keep(crawl, fact, content)
        with about(stream=crawl.resource):
            log.debug(
                "Page %d of %s: %s, %s records in %.2f s.",
                index,
                fact.total,
                fact.outcome,
                fact.records,
                answer.seconds,
            )
        self._tally.count("pages", resource=crawl.resource, outcome=fact.outcome)
        self._tally.count("records", fact.records or 0, resource=crawl.resource)
        self._tally.observe("page_seconds", answer.seconds, resource=crawl.resource)
        return fact

    def _keep(self, crawl: Crawl, fact: PageFact, content: Content | None = None) -> None:
        """Store what became of a page; where that cannot be, Apple is not asked in vain for more of them."""
        try:
            self._stores.pages.store(crawl.id, fact, content)
        except DatabaseAway:
            self._asking.hold(crawl.uid)
            raise

    def _obey(self, order: Order, fact: PageFact, error: AppleError) -> PageFact | None:
        crawl = order.crawl
        self._tally.count("errors", resource=crawl.resource, error=type(error).__name__)
        with about(stream=crawl.resource):
            log.info("Not answered, attempt %d: %s", fact.attempts, error)
        tried = self._stores.clock.now() - (fact.trying_since or self._stores.clock.now())
        match retry.decide_retry(error, order.location.name, fact.attempts, tried):
            case retry.Wait():
                raise Postponed(0.0)
            case retry.Again(seconds=seconds):
                self._keep(crawl, fact)
                raise Postponed(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spread, not a secret
            case retry.NoSuchPage():
                beyond = replace(fact, outcome=PageOutcome.BEYOND)
                self._keep(crawl, beyond)
                return beyond
            case retry.RestartCrawl(reason=reason):
                self._start_over(crawl, reason)
            case retry.GiveUp(reason=reason, trouble=trouble):
                failed = replace(fact, outcome=PageOutcome.FAILED, reason=f"{_name(crawl, fact.index)}: {reason}")
                self._keep(crawl, failed)
                if crawl.kind is CrawlKind.SPOT:
                    return failed  # the other assets may well be read
                self._failing.fail(crawl, failed.reason or "", trouble)
            case retry.Stop(reason=reason, state=state):
                self._stop(order.location, order.token, reason, state)
        return None

    def _start_over(self, crawl: Crawl, reason: str) -> None:
        if crawl.restarts >= RESTART_LIMIT:
            self._failing.fail(crawl, f"{crawl.resource}: {reason}", retry.Trouble.AWAY)
        elif self._stores.crawls.restart(crawl):
            raise StartedOver

    def _stop(self, location: Location, token: Token | None, reason: str, state: LocationState) -> None:
        """Ask nothing more of a location. What was read of it stays, and is gone on from once a person has acted."""
        if token is not None and not self._stores.locations.has_token(location.id, token):
            raise Postponed(0.0)  # it was asked with a token that another has taken the place of meanwhile
        self._stores.locations.mark(location.id, state, reason)
        for crawl in self._stores.crawls.reading(location.id):
            self._failing.fail(crawl, reason, retry.Trouble.PERSON)

    def _note_token(self, location: Location, resource: Resource, page: Page) -> None:
        # Only lists that would show another owner prove that there is none.
        is_proof = location.state is not LocationState.FOREIGN or resource.paging is Paging.INDEX
        if location.state is not LocationState.VALID and is_proof:
            self._stores.locations.mark(location.id, LocationState.VALID, None, seen=location.state)
        note_expiry(self._stores.locations, location, page.token_expires)


def _is_done(crawl: Crawl, page: PageFact) -> bool:
    """Tell whether nothing more is to be done for a page in this round."""
    if page.outcome is PageOutcome.TRYING:
        return False
    if crawl.is_chained:  # a chain has no rounds: it goes on until it starts over
        return page.round >= crawl.floor and page.outcome is not PageOutcome.LOST
    return page.round >= crawl.round


def _name(crawl: Crawl, index: int) -> str:
    if crawl.kind is not CrawlKind.SPOT:
        return f"{crawl.resource}, page {index}"
    scope = crawl.scopes[index // PAGES_A_SCOPE]
    return f"{crawl.resource} of asset {scope.adam_id} {scope.pricing_param}, page {index % PAGES_A_SCOPE}"


def _lacks_its_token(crawl: Crawl, page: Page) -> bool:
    """Tell whether a batch came without the token that it has to bring: then it is asked for again."""
    if not RESOURCES[crawl.resource].is_legacy or page.version is not None:
        return False
    return page.cursor is None if page.total is None else page.index == page.total - 1
