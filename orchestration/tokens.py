"""Refreshing: ask Apple whose token a location's is, how long it lives, and where its notices go."""

from datetime import datetime, timedelta

from apple.client import ClientConfig, read_client_config
from apple.errors import AppleError, OtherLocation, OtherOwner
from apple.texts import masked
from apple.tokens import Token
from storage.errors import UnknownLocation
from storage.locations import Location, Locations

from .decisions import retry
from .gate.client import GatedClient
from .queue import Postponed

#: A task waits this long for its permit before it parks itself.
_WAIT_SECONDS = 1.0

#: Apple was away; nothing depends on this answer, so there is no hurry.
_AGAIN_SECONDS = 600.0


class TokenChecker:
    """Keeps what is known of tokens fresh."""

    def __init__(self, locations: Locations, asking: GatedClient) -> None:
        self._locations = locations
        self._asking = asking

    def refresh(self, uid: str) -> None:
        """Ask about one location, and note the answer."""
        try:
            location = self._locations.find(uid)
            token = self._locations.token(location)
        except UnknownLocation:
            return
        self._ask(location, token)

    def _ask(self, location: Location, token: Token) -> None:
        try:
            config = read_client_config(self._asking.client_config(location.uid, token, _WAIT_SECONDS))
            self.note(location, config)
        except AppleError as error:
            self._obey(location, token, error)

    def note(self, location: Location, config: ClientConfig) -> None:
        """Note what Apple said of a location."""
        check_owner(self._locations, location, config.uid, config.owner, config.owner_name)
        self._locations.note_config(location.id, config.name, config.notification_url, config.notification_types)
        note_expiry(self._locations, location, config.token_expires)

    def _obey(self, location: Location, token: Token, error: AppleError) -> None:
        match retry.decide_retry(error, location.name, 1):
            case retry.Wait():
                raise Postponed(0.0)
            case retry.Again():
                raise Postponed(_AGAIN_SECONDS)
            case retry.Stop(reason=reason, state=state):
                self._locations.put_off_asking(location.id)
                if self._locations.has_token(location.id, token):  # else another has taken its place meanwhile
                    self._locations.mark(location.id, state, reason)


#: The same end of a token comes as seconds from one endpoint, and as milliseconds from another.
_SAME_MOMENT = timedelta(minutes=1)


def check_owner(
    locations: Locations, location: Location, uid: str | None, owner: str | None, name: str | None = None
) -> None:
    """Refuse what belongs to somebody else; where nobody was known to manage the location, note who does."""
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
    """Name a service: by what it calls itself, where it says so, and by what tells it apart."""
    return f"'{owner}'" if not name else f"'{masked(name)}' ({owner})"


def note_expiry(locations: Locations, location: Location, expires: datetime | None) -> None:
    """Note when the token expires, if that is another moment than was known."""
    if expires is not None and abs(expires - location.token_expires) > _SAME_MOMENT:
        locations.note_expiry(location.id, expires)
