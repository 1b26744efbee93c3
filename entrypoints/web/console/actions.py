"""Actions: what a person may do at the console. Nothing of it writes to Apple."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from apple.resources import RESOURCES
from storage.states import LocationState

from .screen import NotFound

if TYPE_CHECKING:
    from storage.locations import Location
    from tasks.services import Services


class Done(StrEnum):
    """What an action came to."""

    SYNC = "sync"
    FULL = "full"
    NO_LISTS = "no-lists"
    ACCEPTED = "accepted"
    NOTHING_HELD = "nothing-held"
    REPLAYED = "replayed"
    NO_NOTICE = "no-notice"


#: What a person is told of it.
WORDS: Mapping[str, str] = {
    Done.SYNC: "It is being read.",
    Done.FULL: "It is being read, everything of it.",
    Done.NO_LISTS: "It has no lists to read.",
    Done.ACCEPTED: "Accepted, and it is being read.",
    Done.NOTHING_HELD: "Nothing of it waits to be accepted.",
    Done.REPLAYED: "Handled again: what it is about is being read.",
    Done.NO_NOTICE: "There is no such notice.",
}


def act(services: "Services", uid: str, action: str, form: Mapping[str, str]) -> Done:
    """Do something with a location."""
    if action not in ACTIONS:
        raise NotFound(f"There is nothing called '{action}' to do.")
    location = services.store.locations.find(uid)
    if not location.is_watched:
        raise NotFound(f"'{location.name}' is no longer watched.")
    return ACTIONS[action](services, location, form)


def _sync(services: "Services", location: "Location", form: Mapping[str, str]) -> Done:
    is_full = form.get("full") == "yes"
    if services.use_cases.syncer.open(location, None, full=is_full) is None:
        return Done.NO_LISTS
    return Done.FULL if is_full else Done.SYNC


def _accept(services: "Services", location: "Location", form: Mapping[str, str]) -> Done:
    """Accept what the form names: a new owner, or the held deletes of some lists."""
    if form.get("owner") == "yes":
        if location.state is not LocationState.FOREIGN:
            return Done.NOTHING_HELD
        services.store.locations.disown(location.id)
    else:
        wanted = [one for one in form.get("resource", "").split(",") if one]
        unknown = [one for one in wanted if one not in RESOURCES]
        if unknown:
            raise NotFound(f"There is no list '{unknown[0]}'.")
        streams = services.store.streams.watched(location.id)
        held = [one for one in streams if one.held_deletes and one.resource in (wanted or RESOURCES)]
        if not held:
            return Done.NOTHING_HELD
        for one in held:
            services.store.streams.accept_deletes(one.id)
    _sync(services, services.store.locations.find(location.uid), {})
    return Done.ACCEPTED


def _replay(services: "Services", location: "Location", form: Mapping[str, str]) -> Done:
    number = form.get("notice", "")
    if not number or not services.store.notices.replay([location.name], None, [number]):
        return Done.NO_NOTICE
    services.queue.sync(location.uid)
    return Done.REPLAYED


#: What there is to do, by the end of the address.
ACTIONS: Mapping[str, Callable[["Services", "Location", Mapping[str, str]], Done]] = {
    "sync": _sync,
    "accept": _accept,
    "replay": _replay,
}
