"""Tokens: what Apple says of each: its location and owner, its end, and where notices go."""

import hashlib
from datetime import datetime, timedelta

from apple.client import ClientConfig
from apple.errors import AppleError, OtherLocation, OtherOwner
from apple.texts import masked
from apple.tokens import Token
from storage.errors import UnknownLocation
from storage.locations import Location, Locations
from storage.store import Store

from .decisions.retry import Postponed, Refused, decide_retry
from .gate import NoPermit
from .gate.client import TERMINAL_WAIT_SECONDS, GatedClient

#: A task waits this long for its permit before it parks itself.
_WAIT_SECONDS = 1.0

#: If Apple is away, the next try is this many seconds later: nothing waits for the answer.
_AGAIN_SECONDS = 600.0


class TokenChecker:
    """Checks tokens with Apple, and stores the answers."""

    def __init__(self, store: Store, client: GatedClient) -> None:
        self._locations = store.locations
        self._client = client

    def refresh(self, uid: str) -> Postponed | None:
        """Check the token of one location; return when to come again, or None if that is done."""
        try:
            location = self._locations.find(uid)
            token = self._locations.token(location)
        except UnknownLocation:
            return None
        try:
            config = self._client.client_config(location.uid, token, _WAIT_SECONDS)
            self.note(location, config)
        except NoPermit as full:
            return Postponed(seconds=full.seconds)
        except AppleError as error:
            return self._explain(location, token, error)
        return None

    def ask(self, token: Token, uid: str | None = None, wait: float = TERMINAL_WAIT_SECONDS) -> ClientConfig:
        """Return what Apple says of a token, for a person who waits.

        The request goes through the gate of the location, if that is known; otherwise through one of the token's own.
        """
        gate = uid or f"newcomer-{hashlib.sha256(token.text.encode()).hexdigest()[:16]}"
        return self._client.client_config(gate, token, wait)

    def check(self, location: Location, wait: float) -> None:
        """Check the token of a location, for a person who waits, and store the answer."""
        self.note(location, self.ask(self._locations.token(location), location.uid, wait))

    def note(self, location: Location, config: ClientConfig) -> None:
        """Store what Apple says of a location; raise if its uId or its owner is not the one that is known."""
        check_owner(self._locations, location, config.uid, config.owner, config.owner_name)
        self._locations.note_config(location.id, config)
        note_expiry(self._locations, location, config.token_expires)

    def _explain(self, location: Location, token: Token, error: AppleError) -> Postponed | None:
        match decide_retry(error, 1):
            case Postponed(is_attempt=is_attempt):
                return Postponed(seconds=_AGAIN_SECONDS if is_attempt else 0.0)
            case Refused(cause=cause, state=state):
                self._locations.postpone_asking(location.id)
                if self._locations.has_token(location.id, token):  # otherwise a newer one has taken its place
                    self._locations.mark(location.id, state, cause.reason, cause.error)
        return None


#: One endpoint gives a token's end in seconds, and another in milliseconds.
_SAME_MOMENT = timedelta(minutes=1)


def check_owner(
    locations: Locations, location: Location, uid: str | None, owner: str | None, name: str | None = None
) -> None:
    """Raise if an answer is about another location or owner; if no owner was known, note who it is."""
    if uid not in {None, location.uid}:
        raise OtherLocation(f"(it opens {uid}, '{location.name}' is {location.uid})")
    if owner is None:
        return
    if owner == location.owner:
        if name is not None and name != location.owner_name:
            locations.own(location.id, owner, name)
    elif location.owner is None:
        locations.own(location.id, owner, name)
    else:
        raise OtherOwner(f"(it was {_called(location.owner, location.owner_name)}, now it is {_called(owner, name)})")


def _called(owner: str, name: str | None) -> str:
    """Return a service's own name, if it has one, and its id."""
    return f"'{owner}'" if not name else f"'{masked(name)}' ({owner})"


def note_expiry(locations: Locations, location: Location, expires: datetime | None) -> None:
    """Note when the token expires, if that differs from what was known."""
    if expires is not None and abs(expires - location.token_expires) > _SAME_MOMENT:
        locations.note_expiry(location.id, expires)
