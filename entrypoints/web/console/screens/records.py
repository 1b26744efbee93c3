"""Records: everything that is mirrored, resource by resource, as Apple has it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from apple.resources import RESOURCES
from storage.mirror.browse import FACETS, BrowsedRecord, RecordChoice
from storage.mirror.tables import MIRRORS

from ....sheets import Sheet
from ..query import Query, write_position
from ..screen import ROWS, Kind, ListPages, NotFound, Screen, cut

if TYPE_CHECKING:
    from tasks.services import Services

#: How many values of a facet are shown.
_MOST_VALUES = 12

#: A file is read in pages of so many: no transaction is open while somebody takes it.
_ROWS_OF_A_FILE = 5_000


@dataclass(frozen=True, kw_only=True)
class FacetValue:
    """One thing that records say of themselves, and how many do."""

    value: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class Facet:
    """What records say of themselves in one respect."""

    name: str
    #: What Apple calls it.
    field: str
    values: Sequence[FacetValue]


@dataclass(frozen=True, kw_only=True)
class RecordRow:
    """A record."""

    location: str
    location_uid: str
    copies: int
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RecordsShown:
    """What the screen shows."""

    as_of: datetime
    resource: str
    resources: Sequence[str]
    #: How many records the resource has in all.
    total: int
    fields: Sequence[str]
    rows: Sequence[RecordRow]
    pages: ListPages
    facets: Sequence[Facet]
    text: str
    locations: Sequence[str]


def read(services: "Services", query: Query) -> Screen:
    """Read a page of records."""
    choice = _choice(services, query)
    found = services.store.browser.page(choice, query.position(), ROWS + 1)
    shown, pages = cut(found, lambda one: write_position(one.position), query)
    fields = MIRRORS[choice.resource].fields
    counted = services.store.browser.facets(choice)
    places = services.store.browser.places(replace(choice, uids=()))
    facts = RecordsShown(
        as_of=services.store.now(),
        resource=choice.resource,
        resources=list(RESOURCES),
        total=sum(count for _, count in places),
        fields=list(fields.values()),
        rows=list(map(_row, shown)),
        pages=pages,
        facets=[
            _places(places, query),
            *(
                Facet(
                    name=name,
                    field=fields.get(name, name),
                    values=[
                        FacetValue(value=value, count=count, is_chosen=choice.where.get(name) == value)
                        for value, count in values[:_MOST_VALUES]
                    ],
                )
                for name, values in counted.items()
            ),
        ],
        text=choice.text,
        locations=query.texts("location"),
    )
    return Screen(title=f"Records: {choice.resource}", facts=facts)


def read_all(services: "Services", query: Query) -> Sheet:
    """Read all of them."""
    choice = _choice(services, query)
    fields = list(MIRRORS[choice.resource].fields.values())
    kinds = {"location": str, "location_uid": str, **dict.fromkeys(fields, str), "extra": dict}
    return Sheet(title=choice.resource, kinds=kinds, rows=_lines(services, choice, fields))


def _lines(services: "Services", choice: RecordChoice, fields: Sequence[str]) -> Iterator[Sequence[Any]]:
    after: Sequence[Any] | None = None
    while some := services.store.browser.page(choice, after, _ROWS_OF_A_FILE):
        for one in some:
            record = _row(one).record
            extra = {name: value for name, value in record.items() if name not in fields}
            line = (one.place, one.uid, *(record.get(name) for name in fields), extra or None)
            for _ in range(one.copies):
                yield line
        after = some[-1].position


def _choice(services: "Services", query: Query) -> RecordChoice:
    resource = query.place("resource")
    if resource not in RESOURCES:
        raise NotFound(f"There is no list '{resource}'; there are {', '.join(RESOURCES)}.")
    return RecordChoice(
        resource=resource,
        uids=[services.store.locations.named(name).uid for name in query.texts("location")],
        where={name: query.text(name) for name in FACETS[resource] if query.has(name)},
        text=query.text("q"),
    )


def _places(places: Sequence[tuple[str, int]], query: Query) -> Facet:
    """Return in which locations there are how many, and those that are chosen in any case."""
    chosen = query.texts("location")
    shown = [*places[:_MOST_VALUES], *(one for one in places[_MOST_VALUES:] if one[0] in chosen)]
    values = [FacetValue(value=name, count=count, is_chosen=name in chosen) for name, count in shown]
    return Facet(name="location", field="location", values=values)


def _row(one: BrowsedRecord) -> RecordRow:
    record = msgspec.json.decode(one.record)
    return RecordRow(location=one.place, location_uid=one.uid, copies=one.copies, record=record)


KIND = Kind(path="/records/{resource}", template="records.html", read=read, read_all=read_all)
