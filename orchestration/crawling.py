"""Crawling: the use cases behind the tasks. Each looks at the ledger, decides by a pure function, and obeys."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from apple.answers import Answer
from apple.errors import AppleError, OtherLocation, OtherOwner
from apple.pages import Page, read_page
from apple.resources import RESOURCES
from storage.crawls import Crawl, Crawls
from storage.errors import StorageError
from storage.locations import Location, Locations
from storage.orders import Order, Orders
from storage.pages import PageFact, Pages
from storage.publishing import Publishing
from storage.schema import CrawlState, LocationState, Outcome
from storage.streams import Streams

from . import retrying, tending
from .asking import Asking
from .gate import Gate
from .holding import judge
from .reconciling import Fail, Fetch, Reading, Settle, reconcile
from .sending import Sending, message_id, message_prefix
from .tending import Nudge, Stillness


class Later(Exception):
    """The task must park itself and come again after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Again in {seconds:.1f} s.")
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What is remembered, as the use cases need it."""

    locations: Locations
    streams: Streams
    crawls: Crawls
    pages: Pages
    orders: Orders
    publishing: Publishing


class Crawling:
    """The use cases of a crawl."""

    def __init__(self, stores: Stores, asking: Asking, gate: Gate, sending: Sending) -> None:
        self._stores = stores
        self._asking = asking
        self._gate = gate
        self._sending = sending

    def seed(self, crawl_id: int, round_: int) -> None:
        """Fetch the first page; stop there if nothing has changed, else go on to the rest."""
        order = self._stores.orders.of(crawl_id, 0)
        crawl = order.crawl
        if crawl.state is not CrawlState.OPEN or round_ != crawl.round:
            return
        first = self._fetch(order, 0)
        if first is None:
            return
        self._stores.crawls.note_first(crawl_id, first.version, first.total)
        stream = self._stores.streams.get(crawl.stream_id)
        is_unchanged = first.version is not None and first.version == stream.complete_version
        if is_unchanged and crawl.forced_by is None and first.outcome is Outcome.STORED:
            self._stores.crawls.end_unchanged(crawl)
        else:
            self._advance(crawl, but=message_id(crawl_id, round_, 0))

    def page(self, crawl_id: int, round_: int, index: int) -> None:
        """Fetch one page of a round, unless the ledger has it or the crawl has moved on."""
        order = self._stores.orders.of(crawl_id, index)
        if order.crawl.state is CrawlState.OPEN and round_ == order.crawl.round:
            self._fetch(order, index)

    def reconcile(self, crawl_id: int) -> None:
        """Decide from the ledger what the crawl needs next, and send it on its way. Harmless at any time."""
        crawl = self._stores.crawls.get(crawl_id)
        if crawl.state is CrawlState.OPEN:
            self._advance(crawl)

    def publish(self, crawl_id: int) -> None:
        """Publish a settled crawl, once."""
        crawl = self._stores.crawls.get(crawl_id)
        if crawl.state is CrawlState.SETTLED:
            stream = self._stores.streams.get(crawl.stream_id)
            now = datetime.now(UTC)
            self._stores.publishing.publish(crawl, stream, lambda deletes, kept: judge(deletes, kept, now))

    def tend(self, crawl_ids: list[int] | None = None) -> None:
        """Look after unfinished crawls, all or some, and revive those that nothing is working on."""
        crawls = self._stores.crawls.unfinished() if crawl_ids is None else self._stores.crawls.some(crawl_ids)
        for crawl in crawls:
            if crawl.is_unfinished:
                self._gate.touch(crawl.uid)
                self._revive(crawl, tending.nudge(self._stillness(crawl), datetime.now(UTC)))

    def fail_for_bug(self, crawl_id: int, error: Exception) -> None:
        """Fail a crawl for a mistake of ours; the log has the rest."""
        reason = f"A bug ({type(error).__name__}): please report it with the worker's log."
        self._stores.crawls.fail(self._stores.crawls.get(crawl_id), reason, retrying.Trouble.BUG)

    def fail_for_person(self, crawl_id: int, error: StorageError) -> None:
        """Fail a crawl for something that only a person can mend."""
        self._stores.crawls.fail(self._stores.crawls.get(crawl_id), str(error), retrying.Trouble.PERSON)

    def _fetch(self, order: Order, index: int) -> PageFact | None:
        """Fetch a page into the ledger; None where the crawl ended over it."""
        crawl, location, known, token = order.crawl, order.location, order.page, order.token
        if known is not None and known.round >= crawl.round and known.outcome is not Outcome.TRYING:
            return known
        if token is None:
            self._stores.crawls.fail(crawl, "The location is no longer watched.", retrying.Trouble.PERSON)
            return None
        resource = RESOURCES[crawl.resource]
        attempts = (known.attempts if known else 0) + 1
        try:
            message = message_id(crawl.id, crawl.round, index)
            answer = self._asking.page(crawl.uid, message, resource, token, index)
            page = read_page(resource, index, answer.body)
            self._check_owner(location, page)
        except AppleError as error:
            return self._obey(
                crawl,
                location,
                PageFact(
                    index=index,
                    round=crawl.round,
                    outcome=Outcome.TRYING,
                    attempts=attempts,
                    reason=str(error),
                ),
                error,
            )
        if location.state is not LocationState.VALID:
            self._stores.locations.mark(location.id, LocationState.VALID, None)
        return self._store(crawl, page, answer, attempts)

    def _store(self, crawl: Crawl, page: Page, answer: Answer, attempts: int) -> PageFact:
        fact = PageFact(
            index=page.index,
            round=crawl.round,
            outcome=Outcome.LOST if page.records is None else Outcome.STORED,
            version=page.version,
            total=page.total,
            next_index=page.next_index,
            size=page.size,
            records=None if page.records is None else len(page.records),
            attempts=attempts if page.records is None else 0,
        )
        self._stores.pages.store(crawl.id, fact, answer.packed if page.records is not None else None, answer.seconds)
        return fact

    def _obey(self, crawl: Crawl, location: Location, fact: PageFact, error: AppleError) -> PageFact | None:
        match retrying.decide(error, fact.attempts):
            case retrying.Wait():
                raise Later(0.0)
            case retrying.Again(seconds=seconds):
                self._stores.pages.store(crawl.id, fact)
                raise Later(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spread, not a secret
            case retrying.NoSuchPage():
                beyond = replace(fact, outcome=Outcome.BEYOND)
                self._stores.pages.store(crawl.id, beyond)
                return beyond
            case retrying.GiveUp(reason=reason, trouble=trouble):
                self._stores.pages.store(crawl.id, replace(fact, outcome=Outcome.FAILED, reason=reason))
                self._stores.crawls.fail(crawl, f"{crawl.resource}, page {fact.index}: {reason}", trouble)
            case retrying.Stop(reason=reason, state=state):
                self._stores.locations.mark(location.id, state, reason)
                self._stores.crawls.fail(crawl, reason, retrying.Trouble.PERSON)
        return None

    def _check_owner(self, location: Location, page: Page) -> None:
        if page.uid not in {None, location.uid}:
            raise OtherLocation(f"(it opens {page.uid}, '{location.name}' is {location.uid})")
        if page.owner is None:
            return
        if location.owner is None:
            self._stores.locations.own(location.id, page.owner)
        elif page.owner != location.owner:
            raise OtherOwner(f"(it was '{location.owner}', now it is '{page.owner}')")

    def _advance(self, crawl: Crawl, *, but: str = "", revival: bool = False) -> None:
        reading = Reading(round=crawl.round, rereads=crawl.rereads, pages=self._stores.pages.facts(crawl.id))
        decision = reconcile(reading)
        # A callback that came early, or twice: what is still under way is waited for.
        if not isinstance(decision, Fail) and self._gate.knows(crawl.uid, message_prefix(crawl.id), but=but):
            return
        match decision:
            case Fetch(indexes=indexes, is_reread=reread):
                if self._stores.crawls.begin_round(crawl, reread=reread, revival=revival):
                    self._sending.round(crawl.uid, crawl.id, crawl.round + 1, indexes)
            case Settle(is_consistent=is_consistent, version=version, total=total):
                if self._stores.crawls.settle(crawl, is_consistent=is_consistent, version=version, total=total):
                    self._sending.publish(crawl.id)
            case Fail(reason=reason):
                self._stores.crawls.fail(crawl, f"{crawl.resource}: {reason}", retrying.Trouble.AWAY)

    def _stillness(self, crawl: Crawl) -> Stillness:
        return Stillness(
            crawl=crawl,
            last_page_at=self._stores.pages.moved_at(crawl.id),
            has_first_page=self._stores.pages.find(crawl.id, 0) is not None,
            is_at_gate=self._gate.knows(crawl.uid, message_prefix(crawl.id)),
        )

    def _revive(self, crawl: Crawl, wanted: Nudge) -> None:
        match wanted:
            case Nudge.NOTHING:
                pass
            case Nudge.SEED:
                if self._stores.crawls.begin_round(crawl, revival=True):
                    self._sending.seed(crawl.uid, crawl.id, crawl.round + 1)
            case Nudge.ADVANCE:
                self._advance(crawl, revival=True)
            case Nudge.PUBLISH:
                if self._stores.crawls.revive_settled(crawl):
                    self._sending.publish(crawl.id)
            case Nudge.FAIL:
                reason = f"{crawl.resource}: revived {crawl.revivals} times without coming to its end."
                self._stores.crawls.fail(crawl, reason, retrying.Trouble.AWAY)
