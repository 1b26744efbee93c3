"""Changes: the feed, to be asked, to be waited for, and as a stream of events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from storage.errors import DatabaseAway, Pruned
from storage.mirror.feed import Change, Extent, Sieve

from ...bookmarks import BookmarkGone, read_bookmark, write_bookmark
from ..console.live import FeedWatch
from .callers import Caller, CallerOf
from .crawls import ResourceOf, check_resource
from .locations import uids_of
from .models import ChangeItem, ChangeList, FeedPosition
from .positions import Limit, LocationsOf

router = APIRouter(tags=["changes"])

#: The longest that somebody waits for a change.
LONGEST_WAIT = 60

#: A stream says something this often, so that a connection that is dead is noticed.
_BEAT_SECONDS = 15.0

#: After this a database that did not answer is asked again.
_AWAY_SECONDS = 2.0

#: How many changes are read at once for a stream.
_AT_ONCE = 500

Bookmark = Annotated[str, Query(description="The bookmark after which changes are wanted; the first if there is none.")]


@router.get("/changes/position", operation_id="get_position")
def get_position(caller: CallerOf) -> FeedPosition:
    """Get where the feed is: take this, then the records, then read on from here."""
    extent = _extent(caller)
    return FeedPosition(bookmark=write_bookmark(extent, extent.last), first=write_bookmark(extent, extent.pruned))


@router.get("/changes", operation_id="list_changes")
async def list_changes(  # noqa: PLR0913, PLR0917 - each argument is one of the address
    caller: CallerOf,
    request: Request,
    after: Bookmark = "",
    wait: Annotated[int, Query(ge=0, le=LONGEST_WAIT, description="For how many seconds to wait for one.")] = 0,
    location: LocationsOf = None,
    resource: ResourceOf = "",
    limit: Limit = 100,
) -> ChangeList:
    """List changes in the order of their commits, after a bookmark. A filter leaves out, and never reorders."""
    sieve = await run_in_threadpool(_sieve, caller, location, resource)
    mark = await run_in_threadpool(_start, caller, after)
    watch: FeedWatch = request.app.state.watch
    until = asyncio.get_running_loop().time() + wait
    while True:
        found = await run_in_threadpool(_read, caller, mark, sieve, limit)
        left = until - asyncio.get_running_loop().time()
        if found.items or left <= 0 or watch.is_over:
            return found
        mark = found.bookmark
        await watch.moved(caller.services, _number(mark), left)


@router.get(
    "/changes/events",
    operation_id="stream_changes",
    response_class=StreamingResponse,
    responses={HTTPStatus.OK: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_changes(
    caller: CallerOf,
    request: Request,
    after: Bookmark = "",
    last_event_id: Annotated[str, Header(description="The bookmark of the last event that was received.")] = "",
    location: LocationsOf = None,
    resource: ResourceOf = "",
) -> StreamingResponse:
    """Send each change as an event when it is committed; its id is its bookmark."""
    sieve = await run_in_threadpool(_sieve, caller, location, resource)
    mark = await run_in_threadpool(_start, caller, last_event_id or after)
    watch: FeedWatch = request.app.state.watch
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return StreamingResponse(_events(caller, sieve, mark, watch), media_type="text/event-stream", headers=headers)


async def _events(caller: Caller, sieve: Sieve, mark: str, watch: FeedWatch) -> AsyncIterator[str]:
    """Yield changes as events, until the caller may no longer see them, or the feed cannot go on from its bookmark."""
    yield ":\n\n"
    with suppress(BookmarkGone, Pruned):  # whoever comes back with it is told so
        while not watch.is_over:
            try:
                if not await run_in_threadpool(caller.is_still_let_in):
                    return
                found = await run_in_threadpool(_read, caller, mark, sieve, _AT_ONCE)
            except DatabaseAway:  # it comes back
                yield ":\n\n"
                await asyncio.sleep(_AWAY_SECONDS)
                continue
            for one in found.items:
                yield f"id: {one.bookmark}\nevent: {one.op}\ndata: {one.model_dump_json()}\n\n"
            mark = found.bookmark
            if not found.items:  # what does not pass the sieve moves the reader on as well
                yield f"id: {mark}\n\n"
            if not found.has_more:
                await watch.moved(caller.services, _number(mark), _BEAT_SECONDS)


def _number(bookmark: str) -> int:
    return int(bookmark.rpartition(":")[2])


def _sieve(caller: Caller, location: list[str] | None, resource: str) -> Sieve:
    check_resource(resource)
    return Sieve(uids=caller.chosen(uids_of(caller, location)), resource=resource)


def _extent(caller: Caller) -> Extent:
    caller.services.store.feed.recognise()
    return caller.services.store.feed.extent()


def _start(caller: Caller, after: str) -> str:
    """Return the bookmark after which is read, with the name of its feed."""
    extent = _extent(caller)
    return write_bookmark(extent, read_bookmark(after, extent) if after else extent.pruned)


def _read(caller: Caller, mark: str, sieve: Sieve, limit: int) -> ChangeList:
    """Read some changes. Of what is committed meanwhile nothing is shown: the bookmark is of what was there before."""
    extent = caller.services.store.feed.extent()
    seq = read_bookmark(mark, extent)
    some = caller.services.store.feed.after(seq, sieve, extent.pruned)
    found = list(islice((one for one in some if one.seq <= extent.last), limit + 1))
    shown, has_more = found[:limit], len(found) > limit
    last = shown[-1].seq if has_more else extent.last
    items = [_change(one, extent) for one in shown]
    return ChangeList(items=items, bookmark=write_bookmark(extent, last), has_more=has_more)


def _change(one: Change, extent: Extent) -> ChangeItem:
    return ChangeItem(
        bookmark=write_bookmark(extent, one.seq),
        seq=one.seq,
        at=one.at,
        uid=one.uid,
        location=one.name,
        resource=one.resource,
        op=one.op,
        key=one.key,
        before=one.before,
        after=one.after,
        crawl=one.crawl,
    )
