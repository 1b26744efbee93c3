"""Visitors: who is at the console, and what he or she may do.

On this host alone, everybody is let in without a password. Elsewhere, a visitor signs in with one, or comes through a
proxy that has made sure who it is and says so in a header.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from storage.states import Access

from ..visit_notes import VisitNotes

if TYPE_CHECKING:
    from storage.store import Store

#: The cookie of a session. Behind TLS its name has a beginning that browsers accept from no other host or path.
COOKIE = "pageturner"
SECURE_COOKIE = f"__Host-{COOKIE}"

#: How this host is called by those who are on it.
_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}

#: A name in a header that is longer is none.
_LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who is there."""

    #: Empty for whoever is on this host.
    name: str
    access: Access
    #: Whether there is a session that can be ended.
    is_signed_in: bool = False

    @property
    def may_act(self) -> bool:
        """Whether he or she may do more than look."""
        return self.access is Access.ACT


@dataclass(frozen=True, kw_only=True)
class DoorPolicy:
    """Who is let in, and how that is found out."""

    #: Whether whoever reaches the console is let in: it listens on this host alone.
    is_open: bool
    #: The header in which a proxy names its user, and from where it may come.
    user_header: str | None = None
    proxies: Sequence[str] = ()
    #: What a user may do whom a proxy names, and who has no account.
    proxy_access: Access = Access.READ


def is_local_name(host: str) -> bool:
    """Return whether a Host header names this host: a page of somebody else's, in a browser here, has another name."""
    name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower() in _LOCAL_NAMES


#: What a proxy adds: then a request may be from anywhere, whatever it calls this host.
_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


def is_on_this_host(connection: HTTPConnection) -> bool:
    """Return whether a request is from this host, by a name of it, and not passed on by a proxy."""
    is_passed_on = any(name in connection.headers for name in _OF_PROXIES)
    return is_local_name(connection.headers.get("host", "")) and not is_passed_on


class Porter:
    """Finds out who a visitor is."""

    def __init__(self, policy: DoorPolicy, store: "Store") -> None:
        self.policy = policy
        self._store = store
        self._notes = VisitNotes()
        self._proxies = [ipaddress.ip_network(one, strict=False) for one in policy.proxies]

    def recognise(self, connection: HTTPConnection, peer: str) -> Visitor | None:
        """Return who sent a request, from an address as the socket has it; None for somebody who has to sign in."""
        if self.policy.is_open:
            return Visitor(name="", access=Access.ACT) if is_on_this_host(connection) else None
        return self._by_proxy(connection, peer) or self._by_session(connection)

    def _by_proxy(self, connection: HTTPConnection, peer: str) -> Visitor | None:
        if self.policy.user_header is None or not self._is_proxy(peer):
            return None
        named = connection.headers.getlist(self.policy.user_header)
        if len(named) != 1 or not 0 < len(named[0].strip()) <= _LONGEST_NAME:
            return None
        name = named[0].strip()
        account = self._store.accounts.find(name)
        if account is not None:
            self._notes.note(name, lambda: self._store.accounts.note_seen(name))
        return Visitor(name=name, access=self.policy.proxy_access if account is None else account.access)

    def _by_session(self, connection: HTTPConnection) -> Visitor | None:
        secret = cookie_of(connection)
        account = None if secret is None else self._store.sessions.find(secret)
        if secret is None or account is None:
            return None
        self._notes.note(secret, lambda: self._store.sessions.note_visit(secret))
        return Visitor(name=account.name, access=account.access, is_signed_in=True)

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def cookie_of(connection: HTTPConnection) -> str | None:
    """Return the secret of a session, as the cookie has it."""
    return connection.cookies.get(SECURE_COOKIE if is_secure(connection) else COOKIE)


def is_secure(connection: HTTPConnection) -> bool:
    """Return whether a request came by TLS, as far as a trusted proxy says."""
    return connection.url.scheme == "https"
