"""Refreshing: ask Apple whose token a location's is, how long it lives, and where its notices go."""

from apple.client import ClientConfig, read_client_config
from apple.errors import AppleError
from apple.tokens import Token
from storage.errors import UnknownLocation
from storage.locations import Location, Locations

from . import retrying
from .asking import Asking
from .fetching import Later
from .owning import check_owner, note_expiry

#: A task waits this long for its permit before it parks itself.
_WAIT_SECONDS = 1.0

#: Apple was away; nothing depends on this answer, so there is no hurry.
_AGAIN_SECONDS = 600.0


class Refreshing:
    """Keeps what is known of tokens fresh."""

    def __init__(self, locations: Locations, asking: Asking) -> None:
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
        match retrying.decide(error, location.name, 1):
            case retrying.Wait():
                raise Later(0.0)
            case retrying.Again():
                raise Later(_AGAIN_SECONDS)
            case retrying.Stop(reason=reason, state=state):
                self._locations.put_off_asking(location.id)
                if self._locations.has_token(location.id, token):  # else another has taken its place meanwhile
                    self._locations.mark(location.id, state, reason)
