"""A crawl: where each of its pages is, when each was at Apple, and what happened. Live, and afterwards as well."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from orchestration.decisions.picture import Picture, Sight, picture
from orchestration.gate.gate import GateTraffic
from orchestration.queue import message_id, message_prefix
from storage.ledger.crawls import Crawl
from storage.ledger.history import PastCrawl
from storage.ledger.pages import PageSight
from storage.states import CrawlState

from ....sheets import Sheet
from ..query import LARGEST, Query
from ..screen import Kind, NotFound, Screen

if TYPE_CHECKING:
    from tasks.services import Services


@dataclass(frozen=True, kw_only=True)
class CrawlShown:
    """What the screen shows."""

    as_of: datetime
    past: PastCrawl
    is_over: bool
    picture: Picture
    #: How its gate stands while it runs; None when it is over, or while Redis does not answer.
    in_flight: int | None
    shut_seconds: float
    #: Whether its pages are still kept.
    has_pages: bool
    #: Where Flower has the task of each page that is told of, by its index; empty where nobody said where Flower is.
    tasks: Mapping[int, str]


def read(services: "Services", query: Query) -> Screen:
    """Read a crawl as it stands."""
    past, crawl = _find(services, query)
    now = services.store.now()
    is_over = not crawl.is_unfinished
    pages = services.store.pages.sights(crawl.id)
    traffic = None if is_over else _traffic(services, crawl)
    sight = Sight(
        pages=pages,
        waits=services.store.waits.during(crawl.uid, crawl.opened_at, past.ended_at or now),
        at_apple=frozenset() if traffic is None else _indexes(traffic.at_apple),
        waiting=frozenset() if traffic is None else _indexes(traffic.waiting),
        ended_at=past.ended_at,
        result=_result(past),
    )
    seen = picture(crawl, sight, now)
    facts = CrawlShown(
        as_of=now,
        past=past,
        is_over=is_over,
        picture=seen,
        in_flight=None if traffic is None else traffic.status.in_flight,
        shut_seconds=0.0 if traffic is None else traffic.status.shut_seconds,
        has_pages=bool(pages) or not is_over,
        tasks=_tasks(services, crawl, seen),
    )
    return Screen(title=f"Crawl {crawl.id}: {past.resource} of {past.name}", facts=facts, sheet=_sheet(pages))


def pulse(services: "Services", query: Query) -> Hashable:
    """Return what changes when a page comes in; and with each second while it runs."""
    _, crawl = _find(services, query)
    if not crawl.is_unfinished:
        return crawl.state
    return crawl.state, crawl.round, services.store.pages.moved_at(crawl.id), int(services.store.now().timestamp())


def _find(services: "Services", query: Query) -> tuple[PastCrawl, Crawl]:
    number = int(query.place("number"))
    past = services.store.history.find(number) if number <= LARGEST else None
    if past is None:
        raise NotFound(f"There is no crawl {number}. Crawls are kept for some days.")
    crawl = services.store.crawls.get(number)
    return replace(past, state=crawl.state), crawl


def _traffic(services: "Services", crawl: Crawl) -> GateTraffic | None:
    try:
        return services.gate.traffic(crawl.uid, message_prefix(crawl))
    except RedisError:
        return None


def _indexes(ids: Iterable[str]) -> frozenset[int]:
    """Return which pages messages ask for; a message of a crawl that asks for no page has no such number."""
    numbers = (one.rpartition(".")[2] for one in ids if one.count(".") == 2)  # noqa: PLR2004 - see `message_id`
    return frozenset(int(one) for one in numbers if one.isdecimal())


def _result(past: PastCrawl) -> str | None:
    counts = {"new": past.inserted, "changed": past.updated, "gone": past.deleted}
    told = [f"{count:,} {word}" for word, count in counts.items() if count]
    return ", ".join(told) if past.state is CrawlState.PUBLISHED and told else None


def _tasks(services: "Services", crawl: Crawl, seen: Picture) -> dict[int, str]:
    flower = services.settings.flower_url.rstrip("/")
    if not flower:
        return {}
    ids = {one.index: message_id(replace(crawl, round=one.round), one.index) for one in seen.notes}
    return {index: f"{flower}/task/{task}" for index, task in ids.items()}


def _sheet(pages: list[PageSight]) -> Sheet:
    kinds: dict[str, type] = {"page": int, "round": int, "outcome": str, "attempts": int, "records": int, "total": int}
    kinds |= {"version": str, "reason": str, "fetched_at": datetime, "seconds": float}
    rows = (
        (
            *(one.index + 1, one.round, one.outcome, one.attempts, one.records, one.total),
            *(one.version, one.reason, one.fetched_at, one.seconds),
        )
        for one in pages
    )
    return Sheet(title="pages", kinds=kinds, rows=rows)


KIND = Kind(path="/crawls/{number:int}", template="crawl.html", read=read, pulse=pulse)
