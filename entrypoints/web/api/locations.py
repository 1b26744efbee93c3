"""Locations and their streams, and what can be done with them."""

from collections.abc import Iterator
from http import HTTPStatus

from fastapi import APIRouter, HTTPException

from orchestration.decisions.overview import LocationView

from ...overview import look, look_at
from ..console.actions import WORDS, act
from ..console.screen import NotFound
from .callers import ActorOf, Caller, CallerOf
from .models import AcceptRequest, ActionDone, ItemList, LocationItem, StreamItem, SyncRequest
from .positions import After, Limit, LocationsOf, read_cursor, write_cursor

router = APIRouter(tags=["locations"])


@router.get("/locations", operation_id="list_locations")
def list_locations(caller: CallerOf, after: After = None, limit: Limit = 100) -> ItemList[LocationItem]:
    """List the locations that are watched, in the order of their uIds."""
    overview = look(caller.services)
    found = sorted((_location(one) for one in overview.locations if caller.sees(one.location.uid)), key=_uid)
    position = read_cursor(after)
    left = [one for one in found if not position or one.uid > str(position[0])]
    shown = left[:limit]
    return ItemList(items=shown, next=write_cursor([shown[-1].uid]) if len(left) > len(shown) else None)


@router.get("/locations/{uid}", operation_id="get_location")
def get_location(caller: CallerOf, uid: str) -> LocationItem:
    """Get one location."""
    return _location(_view(caller, uid))


@router.post("/locations/{uid}/syncs", operation_id="sync_location", status_code=HTTPStatus.ACCEPTED)
def sync_location(caller: ActorOf, uid: str, wanted: SyncRequest) -> ActionDone:
    """Read a location now."""
    return _act(caller, uid, "sync", {"full": "yes" if wanted.full else ""})


@router.post("/locations/{uid}/acceptances", operation_id="accept_of_location", status_code=HTTPStatus.ACCEPTED)
def accept_of_location(caller: ActorOf, uid: str, wanted: AcceptRequest) -> ActionDone:
    """Let held deletes of some lists of a location through, or a new owner."""
    form = {"resource": ",".join(wanted.resources), "owner": "yes" if wanted.owner else ""}
    return _act(caller, uid, "accept", form)


@router.get("/streams", operation_id="list_streams")
def list_streams(
    caller: CallerOf, location: LocationsOf = None, after: After = None, limit: Limit = 100
) -> ItemList[StreamItem]:
    """List the streams that are watched, in the order of the uIds and the resources."""
    overview = look(caller.services)
    wanted = set(caller.chosen(uids_of(caller, location)))
    views = [one for one in overview.locations if not wanted or one.location.uid in wanted]
    found = sorted((stream for one in views for stream in _streams(one)), key=lambda one: (one.uid, one.resource))
    position = tuple(map(str, read_cursor(after) or ()))
    left = [one for one in found if (one.uid, one.resource) > position]
    shown = left[:limit]
    has_more = len(left) > len(shown)
    cursor = write_cursor([shown[-1].uid, shown[-1].resource]) if has_more else None
    return ItemList(items=shown, next=cursor)


def uids_of(caller: Caller, names: list[str] | None) -> list[str]:
    """Return the uIds of locations by their names or uIds. Of others than it may see, a caller learns nothing."""
    if not names:
        return []
    store = caller.services.store
    seen = [one for one in (*store.locations.watched(), *store.locations.removed()) if caller.sees(one.uid)]
    known = {one.name: one.uid for one in seen} | {one.uid: one.uid for one in seen}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise NotFound(f"There is no location '{unknown[0][:100]}' that this token may see.")
    return [known[name] for name in names]


def _act(caller: Caller, uid: str, action: str, form: dict[str, str]) -> ActionDone:
    _view(caller, uid)
    done = act(caller.services, uid, action, form)
    return ActionDone(done=done, words=WORDS[done])


def _view(caller: Caller, uid: str) -> LocationView:
    view = look_at(caller.services, uid) if caller.sees(uid) else None
    if view is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No such location is watched.")
    return view


def _uid(one: LocationItem) -> str:
    return one.uid


def _location(view: LocationView) -> LocationItem:
    one = view.location
    return LocationItem(
        uid=one.uid,
        location=one.name,
        apple_name=one.apple_name,
        organisation=one.organisation,
        country=one.country,
        state=view.token.state,
        problem=view.token.words,
        token_expires=one.token_expires,
        held_by=one.owner_name or one.owner,
        closed_until=None if view.closing is None else view.closing.until,
    )


def _streams(view: LocationView) -> Iterator[StreamItem]:
    for row in view.streams:
        stream = row.stream
        yield StreamItem(
            uid=view.location.uid,
            location=view.location.name,
            resource=stream.resource,
            state=row.standing.state,
            problem=row.standing.words,
            records=stream.records,
            version=stream.version,
            seen_at=stream.seen_at,
            full_at=stream.full_at,
            due_at=stream.due_at,
            every_seconds=int(row.verdict.limit.total_seconds()),
            failures=stream.failures,
            held_deletes=stream.held_deletes or 0,
        )
