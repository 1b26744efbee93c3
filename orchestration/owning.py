"""Owning: whose an answer is, and how long its token lives: every answer of Apple's may tell."""

from datetime import datetime, timedelta

from apple.errors import OtherLocation, OtherOwner
from storage.locations import Location, Locations

#: The same end of a token comes as seconds from one endpoint, and as milliseconds from another.
_SAME_MOMENT = timedelta(minutes=1)


def check_owner(locations: Locations, location: Location, uid: str | None, owner: str | None) -> None:
    """Refuse what belongs to somebody else; where nobody was known to manage the location, note who does."""
    if uid not in {None, location.uid}:
        raise OtherLocation(f"(it opens {uid}, '{location.name}' is {location.uid})")
    if owner is None:
        return
    if location.owner is None:
        locations.own(location.id, owner)
    elif owner != location.owner:
        raise OtherOwner(f"(it was '{location.owner}', now it is '{owner}')")


def note_expiry(locations: Locations, location: Location, expires: datetime | None) -> None:
    """Note when the token expires, if that is another moment than was known."""
    if expires is not None and abs(expires - location.token_expires) > _SAME_MOMENT:
        locations.note_expiry(location.id, expires)
