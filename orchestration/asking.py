"""Asking Apple: every request that carries a token goes through here, and so through its location's gate."""

from collections.abc import Callable

from apple.answers import Answer
from apple.client import Ask, Client
from apple.errors import SlowDown
from apple.resources import Resource
from apple.tokens import Token

from .gate import Gate, Permit


class Asking:
    """Asks under a permit, which it gives back when the body is in."""

    def __init__(self, client: Client, gate: Gate, rate: Callable[[], int]) -> None:
        self._client = client
        self._gate = gate
        self._rate = rate

    def page(self, location: str, message_id: str, resource: Resource, token: Token, index: int) -> Answer:
        """Ask for a page, as the task of a message."""
        ask = self._client.prepare_page(resource, token, index)
        with self._gate.permit(location, message_id, rate=self._rate()) as permit:
            return _heed(permit, ask)

    def client_config(self, location: str, token: Token, wait: float) -> Answer:
        """Ask whose token this is."""
        ask = self._client.prepare_client_config(token)
        with self._gate.permit(location, rate=self._rate(), wait=wait) as permit:
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
