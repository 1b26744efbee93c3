"""The gated client: every request that carries a token goes through here, and so through its location's gate."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from apple.answers import Answer
from apple.client import Ask, Client, ClientConfig, read_client_config
from apple.errors import AppleError, BadAnswer, Moved, ServerError, SlowDown, Unreachable, WrongRequest
from apple.listings import Lookup, LookupAnswer, read_listings
from apple.questions import Question
from apple.resources import Paging
from apple.tokens import Token

from ..metrics import Metrics
from . import Gate, Permit
from .closings import GateClosings
from .gate import AWAY_LIMIT_SECONDS
from .limits import ServiceLimits

_Answered = TypeVar("_Answered")

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
            waited = lambda: self._note_wait(question, time.monotonic() - begun)  # noqa: E731 - it is sent on
            return self._ask(permit, ask, _send, waited)
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

    def look_up(self, lookup: Lookup, token: Token | None, canary: str | None) -> LookupAnswer:
        """Ask what the store says of some apps and books; no location's gate is involved.

        Whatever is wrong with the service, it is left alone for a while: the gate closes; also if the answer lacks the
        canary, an app that every store has. A wrong request is our own mistake, and closes nothing.
        """
        ask = self._client.prepare_lookup(lookup, token)

        def send(permit: Permit, ask: Ask) -> LookupAnswer:
            permit.least, permit.limit = _NAMES_LEAST_SECONDS, _NAMES_LIMIT_SECONDS
            try:
                return _read_lookup(permit, ask(), lookup, canary)
            except AppleError as error:
                permit.closes = not isinstance(error, WrongRequest)
                raise

        return self._ask(self._gate.permit(NAMES, NAMES, rate=_NAMES_RATE, sole=NAMES), ask, send)

    def _once(self, uid: str, ask: Ask, wait: float) -> Answer:
        return self._ask(self._gate.permit(uid, rate=self._limits.rate(), wait=wait), ask, _send)

    def _ask(
        self,
        permits: AbstractContextManager[Permit],
        ask: Ask,
        send: Callable[[Permit, Ask], _Answered],
        begun: Callable[[], None] = lambda: None,
    ) -> _Answered:
        """Send a request under a permit; store a closing of the gate in the database, in case Redis loses it."""
        permit = None
        try:
            with permits as permit:
                begun()
                return send(permit, ask)
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


def _read_lookup(permit: Permit, answer: Answer, lookup: Lookup, canary: str | None) -> LookupAnswer:
    permit.retry_after = answer.retry_after
    problem = answer.problem()
    if problem is not None:
        raise problem
    read = read_listings(lookup, answer.body)
    if canary is not None and canary not in read.found:
        raise BadAnswer(f"({lookup}: it lacks an app that is always there)")
    return read
