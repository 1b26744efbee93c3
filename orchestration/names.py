"""Naming: ask Apple's metadata service, politely and apart from everything else, what the store says of each app.

No sync waits for it, and none fails with it: a record without a name is shown with its number. What is public is asked
for without a token. Only what no store shows to everybody is asked for with the token of a location that has it.
"""

import logging
from datetime import timedelta

from redis.exceptions import RedisError

from apple.errors import AppleError, WrongRequest
from apple.listings import Lookup, LookupAnswer
from apple.tokens import Token
from storage.errors import DatabaseAway, UnknownLocation
from storage.ledger.crawls import Crawl
from storage.listings import WantedListing
from storage.states import LocationState
from storage.store import Store

from .decisions.names import Batch, choose_batch, failed_for, fresh_for, missed_for, next_storefront
from .decisions.retry import Postponed
from .gate import NoPermit
from .gate.client import NAMES_EVERY_SECONDS, GatedClient
from .metrics import Metrics
from .queue import TaskQueue

log = logging.getLogger(__name__)

#: An app that every company's and every school's store has: an answer without it is none.
CANARY = "361309726"

#: When a location whose token is refused is asked about again.
UNASKED = timedelta(hours=1)

#: The catalogues that have it.
_WITH_CANARY = ("enterprisestore", "volumestore")


class Namer:
    """Looks up the listings that are due."""

    def __init__(
        self, store: Store, client: GatedClient, queue: TaskQueue, metrics: Metrics, language: str | None
    ) -> None:
        self._store = store
        self._client = client
        self._queue = queue
        self._metrics = metrics
        #: The language of names; None where no names are asked for.
        self._language = language

    @property
    def is_on(self) -> bool:
        """Whether names are looked up at all."""
        return self._language is not None

    def send(self) -> None:
        """Send for a lookup, if any is due."""
        if self._language is not None and self._store.listings.is_due(self._store.now()):
            self._queue.names()

    def note_published(self, crawl: Crawl) -> None:
        """Send for a lookup after a publish that may have brought apps without a name."""
        if crawl.resource == "assets":
            self.send()

    def look_up(self) -> Postponed | None:
        """Look up some of the listings that are due; return when to come again, or None if none are left."""
        if self._language is None:
            return None
        self._store.listings.want_new()
        batch = self._next()
        if batch is None:
            return None
        try:
            is_answered = self._ask(batch, self._language)
        except NoPermit as full:  # a gate that is shut for longer is left to the scheduler
            return Postponed(seconds=NAMES_EVERY_SECONDS) if full.seconds <= NAMES_EVERY_SECONDS else None
        except (DatabaseAway, RedisError):
            raise
        except Exception:  # whatever it is, what comes next must not wait behind it
            self._fail(batch)
            raise
        return Postponed(seconds=NAMES_EVERY_SECONDS) if is_answered else None

    def _next(self) -> Batch | None:
        """Return what to ask for next; searches that are over are noted first."""
        due = self._store.listings.due(self._store.now())
        countries = self._store.listings.countries({one.adam_id for one in due})
        for one in due:
            if next_storefront(one, countries.get(one.adam_id, ())) is None:
                self._exhaust(one)
        return choose_batch(due, countries)

    def _ask(self, batch: Batch, language: str) -> bool:
        """Ask for a batch, and note the answer; return whether there was one."""
        is_proved = not batch.owner and batch.storefront.catalogue in _WITH_CANARY
        ids = [*batch.adam_ids, *([CANARY] if is_proved and CANARY not in batch.adam_ids else [])]
        lookup = Lookup(storefront=batch.storefront, language=language, adam_ids=ids)
        try:
            answer = self._client.look_up(lookup, self._token(batch.owner), CANARY if is_proved else None)
        except UnknownLocation:  # it is no longer watched, or its token is refused: nobody can be asked
            self._store.listings.postpone(batch.wanted, self._store.now() + UNASKED)
        except WrongRequest as error:
            log.info("Names: %s", error)
            self._fail(batch, is_wrong=True)
        except AppleError as error:
            log.info("Names: %s", error)
            self._fail(batch)
        else:
            self._keep(batch, answer)
            return True
        return False

    def _token(self, owner: str) -> Token | None:
        if not owner:
            return None
        location = self._store.locations.find(owner)
        if location.state is not LocationState.VALID:
            raise UnknownLocation(f"('{location.name}': its token is {location.state})")
        return self._store.locations.token(location)

    def _keep(self, batch: Batch, answer: LookupAnswer) -> None:
        now, missed = self._store.now(), []
        # A country without a store is answered by another one: there is nothing to find at home.
        found = answer.found if answer.country == batch.storefront.country else {}
        for one in batch.wanted:
            listing = found.get(one.adam_id)
            if listing is None:
                missed.append(one)
                self._store.listings.note_missed(one, batch.storefront, now)
            else:
                due = now + fresh_for(one.adam_id)
                self._store.listings.note_found(one, listing, batch.storefront, answer.language, now, due)
        at_home = [one.adam_id for one in missed if not one.owner and one.seen_from == batch.storefront]
        if at_home:
            self._store.listings.want_own(batch.storefront, at_home, now)
        self._metrics.count("names", len(batch.wanted) - len(missed), outcome="found")
        self._metrics.count("names", len(missed), outcome="missed")

    def _fail(self, batch: Batch, *, is_wrong: bool = False) -> None:
        """Note that there was no answer; what was a wrong request is asked for in smaller groups."""
        failures = batch.wanted[0].failures + is_wrong
        due = self._store.now() + failed_for(max(failures, 1))
        self._store.listings.note_failed(batch.wanted, failures, due)
        self._metrics.count("names", len(batch.wanted), outcome="failed")

    def _exhaust(self, wanted: WantedListing) -> None:
        now = self._store.now()
        self._store.listings.note_exhausted(wanted, now, now + missed_for(wanted.misses + 1))
