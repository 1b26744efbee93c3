"""Changes: what came, went and changed, the newest first."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from apple.resources import RESOURCES
from storage.mirror.feed import Change, Sieve

from ....sentences import sentences
from ....sheets import Sheet
from ..query import Query, WrongQuery, write_position
from ..screen import Kind, ListPages, Screen

if TYPE_CHECKING:
    from tasks.services import Services

#: How many changes are looked at for a page: those of one app in one crawl are one line.
_CHANGES = 500

OPS = ("insert", "update", "delete")


@dataclass(frozen=True, kw_only=True)
class ChangeLine:
    """What happened, as one line."""

    seq: int
    at: datetime
    location: str
    location_uid: str
    resource: str
    crawl: int
    words: str


@dataclass(frozen=True, kw_only=True)
class ChangesOfDay:
    """What happened on one day."""

    day: date
    lines: Sequence[ChangeLine]


@dataclass(frozen=True, kw_only=True)
class ChangesShown:
    """What the screen shows."""

    as_of: datetime
    days: Sequence[ChangesOfDay]
    pages: ListPages
    last: int
    pruned: int
    locations: Sequence[str]
    app: str
    holder: str
    resource: str
    op: str
    since: datetime | None
    until: datetime | None
    resources: Sequence[str]
    ops: Sequence[str]


def read(services: "Services", query: Query) -> Screen:
    """Read a page of changes."""
    sieve = _sieve(services, query)
    position = query.position()
    if position is not None and (len(position) != 1 or not isinstance(position[0], int)):
        raise WrongQuery("'after' does not come from a page of this list.")
    before = None if position is None else int(position[0])
    # One who asks for an app that nobody has asks for nothing.
    is_vain = bool(query.text("app")) and not sieve.adam_ids
    found = [] if is_vain else services.store.feed.latest(sieve, before, _CHANGES + 1)
    extent = services.store.feed.extent()
    shown = found[:_CHANGES]
    after = write_position([shown[-1].seq]) if len(found) > len(shown) else None
    told = list(_told(services, shown))[::-1]
    facts = ChangesShown(
        as_of=services.store.now(),
        days=[ChangesOfDay(day=day, lines=list(some)) for day, some in groupby(told, lambda one: one.at.date())],
        pages=ListPages(after=after, is_first=position is None),
        last=extent.last,
        pruned=extent.pruned,
        locations=query.texts("location"),
        app=query.text("app"),
        holder=query.text("holder"),
        resource=sieve.resource,
        op=sieve.op,
        since=sieve.since,
        until=None if sieve.until is None else sieve.until - timedelta(days=1),
        resources=list(RESOURCES),
        ops=OPS,
    )
    return Screen(title="Changes", facts=facts)


def read_all(services: "Services", query: Query) -> Sheet:
    """Read all of them, the oldest first."""
    sieve = _sieve(services, query)
    feed = services.store.feed
    seq = feed.extent().pruned if sieve.since is None else max(feed.before(sieve.since), feed.extent().pruned)
    return Sheet(title="changes", kinds=_KINDS, rows=map(_row, feed.after(seq, sieve)))


def pulse(services: "Services", query: Query) -> Hashable:
    """Return the number of the last change: a page that begins with older ones does not change."""
    return services.store.feed.extent().last if query.position() is None else None


_KINDS: dict[str, type] = {"seq": int, "at": datetime, "location": str, "location_uid": str, "resource": str, "op": str}
_KINDS |= {"key": dict, "before": dict, "after": dict, "crawl": int}


def _row(one: Change) -> tuple[Any, ...]:
    return one.seq, one.at, one.name, one.uid, one.resource, one.op, one.key, one.before, one.after, one.crawl


def _sieve(services: "Services", query: Query) -> Sieve:
    app, until = query.text("app"), query.moment("until")
    return Sieve(
        uids=[services.store.locations.named(name).uid for name in query.texts("location")],
        resource=query.one_of("resource", list(RESOURCES)),
        op=query.one_of("op", OPS),
        since=query.moment("since"),
        until=None if until is None else until + timedelta(days=1),
        adam_ids=services.store.listings.called(app) if app else (),
        holder=query.text("holder"),
    )


def _told(services: "Services", changes: Sequence[Change]) -> Iterator[ChangeLine]:
    for group, words in sentences(reversed(changes), services.store.listings):
        first = group.first
        yield ChangeLine(
            seq=group.seq,
            at=first.at,
            location=first.name,
            location_uid=first.uid,
            resource=first.resource,
            crawl=first.crawl,
            words=words,
        )


KIND = Kind(path="/changes", template="changes.html", read=read, read_all=read_all, pulse=pulse)
