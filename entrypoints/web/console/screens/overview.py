"""The overview: who has to do something, what is late, and what there is in all."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestration.decisions.alerts import Rule
from orchestration.decisions.health import Alarm
from orchestration.decisions.overview import CrawlActivity, LocationView
from orchestration.decisions.triage import Matter, triage
from storage.mirror.sums import LicenceSums
from storage.reports import Choice
from storage.views import VIEWS

from ....overview import look_closely
from ....sheets import Sheet
from ..memo import Memo
from ..query import Query
from ..screen import SECONDS, Kind, Screen

if TYPE_CHECKING:
    from tasks.services import Services

#: How many matters of one sort are shown; of more, the worst.
MOST = 50

#: How often it is shown anew if nothing happened: while something is read, and else.
_BUSY_SECONDS, _QUIET_SECONDS = 2, 30

#: How long a sum, or a name that was looked up meanwhile, may be old.
_NAMED_SECONDS = 300


#: How many apps that run out are shown, and how many are looked through for them.
MOST_APPS = 10
MOST_COUNTED = 20_000

#: What runs out within so many days is shown.
_SOON = 30

_RUNNING_OUT = ("adam_id", "name", "pricing", "location", "location_uid", "total", "available", "days_left")


@dataclass(frozen=True, kw_only=True)
class _Stock:
    """What is said of the licences."""

    licences: LicenceSums
    running_out: Sequence[Mapping[str, Any]]
    running_out_count: int


#: Shown again until the mirror changes.
_STOCKS = Memo[_Stock]()


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """A list that is being read."""

    crawl_id: int
    place: str
    uid: str
    resource: str
    activity: CrawlActivity


@dataclass(frozen=True, kw_only=True)
class OverviewShown:
    """What the overview shows."""

    as_of: datetime
    locations: int
    needs_you: Sequence[Matter]
    needs_you_count: int
    late: Sequence[Matter]
    late_count: int
    in_step: int
    new: int
    #: When the list was in step that is the furthest behind.
    oldest: datetime | None
    licences: LicenceSums
    #: The apps that run out first, or have run out.
    running_out: Sequence[Mapping[str, Any]]
    running_out_count: int
    under_way: Sequence[UnderWay]


def read(services: "Services", _: Query) -> Screen:
    """Read the overview."""
    seen = look_closely(services)
    sorted_out = triage(seen, services.store.alerts.standing_since(Rule.TOKEN_REFUSED))
    stock = _STOCKS.get(_stock_key(services, seen.locations), lambda: _stock(services))
    moments = [row.stream.seen_at for one in seen.locations for row in one.streams]
    facts = OverviewShown(
        as_of=seen.now,
        locations=len(seen.locations),
        needs_you=sorted_out.needs_you[:MOST],
        needs_you_count=len(sorted_out.needs_you),
        late=sorted_out.late[:MOST],
        late_count=len(sorted_out.late),
        in_step=sorted_out.in_step,
        new=sorted_out.new,
        oldest=min((one for one in moments if one is not None), default=None),
        licences=stock.licences,
        running_out=stock.running_out,
        running_out_count=stock.running_out_count,
        under_way=[one for view in seen.locations for one in _under_way(view)][:MOST],
    )
    groups = {"needs you": sorted_out.needs_you, "late": sorted_out.late}
    rows = (_row(group, one) for group, some in groups.items() for one in some)
    return Screen(title="Overview", facts=facts, sheet=Sheet(title="overview", kinds=_KINDS, rows=rows))


def _stock_key(services: "Services", views: Sequence[LocationView]) -> Hashable:
    """Return what changes with the licences: the mirror, the locations, and now and then the names of apps."""
    now = services.store.now()
    places = hash(tuple((one.location.uid, one.location.name) for one in views))
    last = services.store.feed.extent().last
    return id(services.store.database), last, places, int(now.timestamp()) // _NAMED_SECONDS


def _stock(services: "Services") -> _Stock:
    view = VIEWS["running_out"]
    choice = Choice(columns=_RUNNING_OUT, limit=MOST_COUNTED)
    rows = [dict(zip(_RUNNING_OUT, row, strict=True)) for row in services.store.reports.rows(view, choice, SECONDS)]
    soon = [row for row in rows if row["available"] <= 0 or (row["days_left"] is not None and row["days_left"] < _SOON)]
    soon.sort(key=lambda row: (row["available"] > 0, row["days_left"] or 0, row["name"]))
    return _Stock(licences=services.store.sums.licences(), running_out=soon[:MOST_APPS], running_out_count=len(soon))


def pulse(services: "Services", _: Query) -> Hashable:
    """Return what changes when a crawl moves on or the mirror changes; and, since ages grow, now and then besides."""
    seen = services.store.progress.pulse()
    every = _BUSY_SECONDS if seen.under_way else _QUIET_SECONDS
    return seen, int(services.store.now().timestamp()) // every


_KINDS: dict[str, type] = {"group": str, "location": str, "location_uid": str, "lists": str, "alarm": str, "words": str}
_KINDS |= {"since": datetime, "next_at": datetime}


def _row(group: str, one: Matter) -> tuple[Any, ...]:
    alarm = Alarm(one.alarm).name.lower()
    return group, one.place, one.uid, ", ".join(one.resources), alarm, one.words, one.since, one.next_at


def _under_way(view: LocationView) -> Iterator[UnderWay]:
    for row in view.streams:
        if row.reading is not None:
            yield UnderWay(
                crawl_id=row.reading.crawl_id,
                place=view.location.name,
                uid=view.location.uid,
                resource=row.stream.resource,
                activity=row.reading,
            )


KIND = Kind(path="/", template="overview.html", read=read, pulse=pulse)
