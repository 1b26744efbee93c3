"""Asking Apple: every request that carries a token goes through here, and so through its location's gate."""

import time
from collections.abc import Mapping
from typing import Any

from apple.answers import Answer
from apple.client import Ask, Client
from apple.errors import Moved, SlowDown
from apple.questions import Question
from apple.resources import Paging
from apple.tokens import Token

from .gate import Gate, Permit
from .limiting import Limiting
from .tally import Tally

#: A person waits at a terminal; a gate that is shut for longer is told instead.
PATIENCE_SECONDS = 20.0

#: There is one chain of cursors a location, and never two requests of it at once.
CHAIN = "chain"


class Asking:
    """Asks under a permit, which it gives back when the body is in."""

    def __init__(self, client: Client, gate: Gate, limiting: Limiting, tally: Tally) -> None:
        self._client = client
        self._gate = gate
        self._limiting = limiting
        self._tally = tally

    def page(self, location: str, message_id: str, question: Question, token: Token) -> Answer:
        """Ask for a page, as the task of a message."""
        rate = self._limiting.rate()
        ask = self._client.prepare_page(question, token)
        sole = CHAIN if question.resource.paging is Paging.CURSOR else ""
        begun = time.monotonic()
        with self._gate.permit(location, message_id, rate=rate, sole=sole) as permit:
            self._tally.observe("permit_seconds", time.monotonic() - begun, resource=question.resource.name)
            try:
                return _heed(permit, ask)
            except Moved:
                self._limiting.forget()
                raise

    def client_config(self, location: str, token: Token, wait: float) -> Answer:
        """Ask whose token this is."""
        return self._once(location, self._client.prepare_client_config(token), wait)

    def configure(self, location: str, token: Token, wanted: Mapping[str, Any], wait: float) -> Answer:
        """Set where the notices of a location go."""
        return self._once(location, self._client.prepare_configuring(token, wanted), wait)

    def _once(self, location: str, ask: Ask, wait: float) -> Answer:
        with self._gate.permit(location, rate=self._limiting.rate(), wait=wait) as permit:
            return _heed(permit, ask)


def _heed(permit: Permit, ask: Ask) -> Answer:
    """Ask, and look at the answer before the permit goes back: what closes the gate must close it first."""
    answer = ask()
    problem = answer.problem()
    if isinstance(problem, SlowDown) or answer.retry_after is not None:
        permit.slow_down = True
        permit.retry_after = answer.retry_after
    if problem is not None:
        raise problem
    return answer
