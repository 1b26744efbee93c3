"""Crawls: which ran, why, and what came of them."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query

from apple.resources import RESOURCES
from storage.ledger.history import PastCrawl

from ...moments import NoMoment, read_moment
from ..console.query import LARGEST, WrongQuery
from .callers import CallerOf
from .locations import uids_of
from .models import CrawlItem, ItemList
from .positions import After, Limit, LocationsOf, read_cursor, write_cursor

router = APIRouter(tags=["crawls"])

ResourceOf = Annotated[str, Query(description=f"Only of this list: {', '.join(RESOURCES)}.")]


@router.get("/crawls", operation_id="list_crawls")
def list_crawls(
    caller: CallerOf,
    location: LocationsOf = None,
    resource: ResourceOf = "",
    since: Annotated[str, Query(description="Only those begun since: 7d, 2026-11-20.")] = "",
    after: After = None,
    limit: Limit = 100,
) -> ItemList[CrawlItem]:
    """List the crawls that are kept, the newest first."""
    check_resource(resource)
    position = read_cursor(after)
    if position is not None and (len(position) != 1 or not isinstance(position[0], int)):
        raise WrongQuery("'after' is not the `next` of a page of this list.")
    before = None if position is None else position[0]
    uids = caller.chosen(uids_of(caller, location))
    found = caller.services.store.history.crawls(limit + 1, uids, resource, _moment(since), before)
    shown = [_crawl(one) for one in found[:limit]]
    return ItemList(items=shown, next=write_cursor([shown[-1].id]) if len(found) > limit else None)


@router.get("/crawls/{number}", operation_id="get_crawl")
def get_crawl(caller: CallerOf, number: Annotated[int, Path(ge=1, le=LARGEST)]) -> CrawlItem:
    """Get one crawl."""
    found = caller.services.store.history.find(number)
    if found is None or not caller.sees(found.uid):
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such crawl. Crawls are kept for some days.")
    return _crawl(found)


def check_resource(name: str) -> None:
    """Raise WrongQuery for a resource that does not exist."""
    if name and name not in RESOURCES:
        raise WrongQuery(f"There is no list '{name}'; there are {', '.join(RESOURCES)}.")


def _moment(text: str) -> datetime | None:
    try:
        return read_moment(text, datetime.now(UTC)) if text else None
    except NoMoment as error:
        raise WrongQuery(f"since: {error}") from None


def _crawl(one: PastCrawl) -> CrawlItem:
    return CrawlItem(
        id=one.id,
        uid=one.uid,
        location=one.name,
        resource=one.resource,
        kind=one.kind,
        state=one.state,
        begun_by=one.begun_by,
        forced_by=one.forced_by,
        opened_at=one.opened_at,
        ended_at=one.ended_at,
        pages=one.total,
        drift=one.drift,
        waits=one.waits,
        waited_seconds=one.waited_seconds,
        is_consistent=one.is_consistent,
        inserted=one.inserted,
        updated=one.updated,
        deleted=one.deleted,
        reason=one.reason,
    )
