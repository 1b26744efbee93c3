"""The gated client: every request that carries a token goes through here, and so through its location's gate."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from apple.answers import Answer
from apple.client import Ask, Client, ClientConfig, read_client_config
from apple.errors import AppleError, Away, Moved, ServerError, SlowDown, Unreachable, WrongRequest
from apple.listings import Lookup, LookupAnswer, read_listings
from apple.questions import Question
from apple.resources import Paging
from apple.tokens import Token

from ..metrics import Metrics
from . import Gate, Permit
from .closings import GateClosings
from .gate import AWAY_LIMIT_SECONDS
from .limits import ServiceLimits

#: How long a command waits for a gate; if it is shut for longer, the command says so and ends.
TERMINAL_WAIT_SECONDS = 20.0

#: The chain of cursors of a location: never two requests of it at once.
CHAIN = "chain"

#: The gate of the service that knows names, which is none of a location, and the message of its one task: one request
#: at a time, and one a second.
NAMES = "names"
_NAMES_RATE = 1

#: When the next request may follow.
NAMES_EVERY_SECONDS = 1.25

#: The least and the longest wait after an answer that shows that this service has trouble, or has enough of us.
_NAMES_LEAST_SECONDS = 30.0
_NAMES_LIMIT_SECONDS = 900.0


class GatedClient:
    """Sends requests under a permit, which it gives back when the body is complete."""

    def __init__(
        self, client: Client, gate: Gate, limits: ServiceLimits, closings: GateClosings, metrics: Metrics
    ) -> None:
        self._client = client
        self._gate = gate
        self._limits = limits
        self._closings = closings
        self._metrics = metrics

    def page(self, uid: str, message_id: str, question: Question, token: Token) -> Answer:
        """Request a page, as the task of a message."""
        rate = self._limits.rate()
        ask = self._client.prepare_page(question, token)
        sole = CHAIN if question.resource.paging is Paging.CURSOR else ""
        begun = time.monotonic()
        permit = self._gate.permit(uid, message_id, rate=rate, sole=sole)
        try:
            return self._ask(permit, ask, lambda: self._note_wait(question, time.monotonic() - begun))
        except Moved:
            self._limits.forget(is_legacy=question.resource.is_legacy)
            raise

    def hold(self, uid: str) -> None:
        """Send no requests for a location for a while, because answers cannot be stored."""
        self._gate.hold(uid)

    def client_config(self, uid: str, token: Token, wait: float) -> ClientConfig:
        """Request what Apple says of a token."""
        return read_client_config(self._once(uid, self._client.prepare_client_config(token), wait))

    def configure(self, uid: str, token: Token, wanted: Mapping[str, Any], wait: float) -> ClientConfig:
        """Set where the notices of a location go."""
        return read_client_config(self._once(uid, self._client.prepare_configuring(token, wanted), wait))

    def look_up(self, lookup: Lookup, token: Token | None) -> LookupAnswer:
        """Ask what the store says of some apps and books; no location's gate is involved."""
        ask = self._client.prepare_lookup(lookup, token)
        permits = self._gate.permit(NAMES, NAMES, rate=_NAMES_RATE, sole=NAMES)
        answer = self._ask(permits, ask, send=_send_politely)
        return read_listings(lookup, answer.body)

    def _once(self, uid: str, ask: Ask, wait: float) -> Answer:
        return self._ask(self._gate.permit(uid, rate=self._limits.rate(), wait=wait), ask)

    def _ask(
        self,
        permits: AbstractContextManager[Permit],
        ask: Ask,
        begun: Callable[[], None] = lambda: None,
        send: Callable[[Permit, Ask], Answer] | None = None,
    ) -> Answer:
        """Send a request under a permit; store a closing of the gate in the database, in case Redis loses it."""
        permit = None
        try:
            with permits as permit:
                begun()
                return (send or _send)(permit, ask)
        except AppleError as error:
            if permit is not None and permit.shut_seconds:
                self._closings.keep(permit, error)
            raise

    def _note_wait(self, question: Question, seconds: float) -> None:
        self._metrics.observe("permit_seconds", seconds, resource=question.resource.name)


def _send(permit: Permit, ask: Ask) -> Answer:
    """Send a request, and note whether its answer closes the gate before the permit is given back."""
    try:
        answer = ask()
    except Unreachable:
        permit.closes, permit.limit = True, AWAY_LIMIT_SECONDS
        raise
    permit.retry_after = answer.retry_after
    problem = answer.problem()
    if problem is None:
        return answer
    if isinstance(problem, SlowDown):
        permit.closes = True
    elif isinstance(problem, ServerError) or answer.retry_after is not None:
        permit.closes, permit.limit = True, AWAY_LIMIT_SECONDS
    raise problem


def _send_politely(permit: Permit, ask: Ask) -> Answer:
    """Send a request for names: whatever is wrong with the answer, the service is left alone for a while."""
    permit.least, permit.limit = _NAMES_LEAST_SECONDS, _NAMES_LIMIT_SECONDS
    try:
        answer = ask()
    except Away:
        permit.closes = True
        raise
    permit.retry_after = answer.retry_after
    problem = answer.problem()
    if problem is None:
        return answer
    # A wrong request is our own: one of the ids may be wrong, and fewer of them are asked for next.
    permit.closes = not isinstance(problem, WrongRequest)
    raise problem
