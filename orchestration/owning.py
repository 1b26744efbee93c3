"""Owning: whose an answer is, and how long its token lives: every answer of Apple's may tell."""

from datetime import datetime, timedelta

from apple.errors import OtherLocation, OtherOwner
from apple.texts import masked
from storage.locations import Location, Locations

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
