"""Crawls: which ran, why, how long they took, and what came of them."""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from apple.resources import RESOURCES
from storage.ledger.history import PastCrawl

from ....sheets import Sheet
from ..query import Query, WrongQuery, write_position
from ..screen import ROWS, Kind, ListPages, Screen, cut

if TYPE_CHECKING:
    from tasks.services import Services

#: A file has no more crawls than this: they are kept for some days.
_MOST = 100_000


@dataclass(frozen=True, kw_only=True)
class CrawlsShown:
    """What the screen shows."""

    as_of: datetime
    rows: Sequence[PastCrawl]
    pages: ListPages
    locations: Sequence[str]
    resource: str
    resources: Sequence[str]


def read(services: "Services", query: Query) -> Screen:
    """Read a page of crawls."""
    position = query.position()
    if position is not None and (len(position) != 1 or not isinstance(position[0], int)):
        raise WrongQuery("'after' does not come from a page of this list.")
    found = _found(services, query, ROWS + 1, None if position is None else position[0])
    shown, pages = cut(found, lambda one: write_position([one.id]), query)
    facts = CrawlsShown(
        as_of=services.store.now(),
        rows=shown,
        pages=pages,
        locations=query.texts("location"),
        resource=query.text("resource"),
        resources=list(RESOURCES),
    )
    return Screen(title="Crawls", facts=facts)


def read_all(services: "Services", query: Query) -> Sheet:
    """Read all of them."""
    names = PastCrawl.__dataclass_fields__
    kinds = dict.fromkeys(names, str) | dict.fromkeys(("opened_at", "ended_at"), datetime)
    rows = (list(asdict(one).values()) for one in _found(services, query, _MOST, None))
    return Sheet(title="crawls", kinds=kinds, rows=rows)


def pulse(services: "Services", query: Query) -> Hashable:
    """Return what changes when a crawl begins, moves on or ends."""
    return services.store.progress.pulse() if query.position() is None else None


def _found(services: "Services", query: Query, limit: int, before: int | None) -> Sequence[PastCrawl]:
    uids = [services.store.locations.named(name).uid for name in query.texts("location")]
    resource = query.one_of("resource", list(RESOURCES))
    return services.store.history.crawls(limit, uids, resource, query.moment("since"), before)


KIND = Kind(path="/crawls", template="crawls.html", read=read, read_all=read_all, pulse=pulse)
