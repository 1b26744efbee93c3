"""Callers: which program calls, and what it may see and do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from storage.states import Access

from ..console.guard import is_from_here
from ..console.visitors import is_on_this_host
from ..throttle import Throttle
from ..visit_notes import VisitNotes

if TYPE_CHECKING:
    from tasks.services import Services

_BEARER = HTTPBearer(auto_error=False, description="A token made by `pageturner tokens make NAME`.")

#: How many wrong tokens may come from one address at once, and a second in the long run.
_BURST, _PER_SECOND = 50, 1.0


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A program."""

    services: "Services"
    access: Access
    #: The uIds of the locations that it may see; None for all.
    uids: Sequence[str] | None
    #: Its token; None for whoever is on this host.
    secret: str | None = field(default=None, repr=False)

    def is_still_let_in(self) -> bool:
        """Return whether it may still do so: its token may have been withdrawn, or have ended."""
        return self.secret is None or self.services.store.api_tokens.find(self.secret) is not None

    def sees(self, uid: str) -> bool:
        """Return whether it may see a location."""
        return self.uids is None or uid in self.uids

    def chosen(self, uids: Sequence[str]) -> list[str]:
        """Return which locations are meant: those that were asked for, as far as it may see them; none for all."""
        if self.uids is None:
            return list(uids)
        # An empty list would mean all: one that names nothing that there is means none.
        return [one for one in (uids or self.uids) if one in self.uids] or [_NOWHERE]


#: No location has this uId.
_NOWHERE = "-"


class CallerCheck:
    """Finds out who calls."""

    def __init__(self, *, is_open: bool) -> None:
        self._is_open = is_open
        self._notes = VisitNotes()
        self._throttle = Throttle(burst=_BURST, per_second=_PER_SECOND)

    def recognise(self, request: Request, services: "Services", bearer: HTTPAuthorizationCredentials | None) -> Caller:
        """Return who calls; raise HTTPException for somebody who may not."""
        source = request.client.host if request.client else ""
        if bearer is None and self._is_open and _is_of_this_host(request):
            return Caller(services=services, access=Access.ACT, uids=None)
        if self._throttle.is_over(source):
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong tokens came from here.")
        token = None if bearer is None else services.store.api_tokens.find(bearer.credentials)
        if bearer is None or token is None:
            self._throttle.count(source)
            words = "This needs a token: `Authorization: Bearer …`, made by `pageturner tokens make NAME`."
            raise HTTPException(HTTPStatus.UNAUTHORIZED, words, {"WWW-Authenticate": "Bearer"})
        self._notes.note(token.name, lambda: services.store.api_tokens.note_use(token.name))
        return Caller(services=services, access=token.access, uids=token.uids, secret=bearer.credentials)


def _is_of_this_host(request: Request) -> bool:
    """Return whether a request is no page's of somebody else's, in a browser on this host."""
    is_browser = "origin" in request.headers or "sec-fetch-site" in request.headers
    site = request.headers.get("sec-fetch-site", "")
    is_ours = site in {"none", "same-origin"} or is_from_here(request)
    return is_on_this_host(request) and (not is_browser or is_ours)


def caller(request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> Caller:
    """Return who calls."""
    check: CallerCheck = request.app.state.check
    return check.recognise(request, request.app.state.services(), bearer)


def actor(caller: Annotated[Caller, Depends(caller)]) -> Caller:
    """Return who calls, if it may do more than read."""
    if caller.access is not Access.ACT:
        raise HTTPException(HTTPStatus.FORBIDDEN, "This token may read, and not act.")
    return caller


CallerOf = Annotated[Caller, Depends(caller)]
ActorOf = Annotated[Caller, Depends(actor)]
