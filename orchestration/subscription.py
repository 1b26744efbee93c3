"""The subscription of a location to Apple's notices: the one thing that is ever written to Apple."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from apple.client import ClientConfig
from apple.errors import AppleError, Away
from apple.notices import TYPES
from storage.locations import Location
from storage.store import Store

from .gate import NoPermit
from .gate.client import TERMINAL_WAIT_SECONDS, GatedClient
from .gate.limits import ServiceLimits


class HeldElsewhere(Exception):
    """Another service would lose the location, or its notices."""


class NotTaken(Exception):
    """Apple answered, but did not take what was set."""


@dataclass(frozen=True, kw_only=True)
class Subscribed:
    """What Apple says of a subscription now."""

    url: str | None
    types: tuple[str, ...]


class Subscriber:
    """Sets up subscriptions, and takes them down."""

    def __init__(self, store: Store, client: GatedClient, limits: ServiceLimits) -> None:
        self._locations = store.locations
        self._secrets = store.notice_secrets
        self._client = client
        self._limits = limits

    def subscribe(self, location: Location, url: str, types: tuple[str, ...], *, claim: bool) -> Subscribed:
        """Subscribe a URL to notices, with a secret made for it. A subscription of another service needs a claim."""
        config = self._look(location)
        me = f"pageturner:{urlsplit(url).hostname}"
        if not claim:
            _refuse_other(config, location.name, {url, self._secrets.url(location.uid)}, me)
        chosen = types or self._limits.notification_types() or TYPES
        wanted: dict[str, Any] = {"notificationUrl": url, "notificationTypes": list(chosen)}
        if claim:
            wanted["mdmInfo"] = {"id": me, "name": "Pageturner", "metadata": "an exact mirror of what is here"}
        secret = self._secrets.propose(location.uid)  # Apple sends a test notice with it before it answers
        try:
            now = self._configure(location, wanted | {"notificationAuthToken": secret})
        except (AppleError, NoPermit) as error:
            if not isinstance(error, Away):  # Apple may have stored it: both secrets stay valid
                self._secrets.withdraw(location.uid, secret)
            raise
        if now.notification_url != url:
            self._secrets.withdraw(location.uid, secret)
            raise NotTaken(f"Apple still sends notices to {now.notification_url or 'nobody'}.")
        self._secrets.settle(location.uid, secret, url)
        if claim and now.owner == me:
            self._locations.disown(location.id)
            self._locations.own(location.id, me, "Pageturner")
        return Subscribed(url=now.notification_url, types=now.notification_types)

    def unsubscribe(self, location: Location, *, claim: bool) -> bool:
        """End the subscription, if there is one, and revoke its secret, whatever Apple goes on sending."""
        config = self._look(location)
        if not config.notification_types:
            self._secrets.forget(location.uid)
            return False
        if not claim:
            _refuse_other(config, location.name, {self._secrets.url(location.uid)}, "")
        now = self._configure(location, {"notificationTypes": []})
        if now.notification_types:
            raise NotTaken(f"Apple goes on sending {', '.join(now.notification_types)}.")
        self._secrets.forget(location.uid)
        return True

    def _look(self, location: Location) -> ClientConfig:
        token = self._locations.token(location)
        return self._client.client_config(location.uid, token, TERMINAL_WAIT_SECONDS)

    def _configure(self, location: Location, wanted: dict[str, Any]) -> ClientConfig:
        token = self._locations.token(location)
        now = self._client.configure(location.uid, token, wanted, TERMINAL_WAIT_SECONDS)
        self._locations.note_config(location.id, now)
        return now


def _refuse_other(config: ClientConfig, name: str, ours: set[str | None], me: str) -> None:
    """Raise HeldElsewhere if another service would lose the location, or its notices."""
    if me and config.owner not in {None, me}:
        raise HeldElsewhere(
            f"'{name}' is managed by '{config.owner_name or config.owner}', which would lose what it relies on."
        )
    other = config.notification_url
    if other not in ours | {None} and config.notification_types:
        raise HeldElsewhere(f"The notices of '{name}' go to {other}, which is not ours: that service would lose them.")
