"""Listings: what the store says of the apps and books that locations have, and when it is to be asked again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from apple.listings import Listing, Storefront

from .database import Database
from .mirror.tables import MIRRORS
from .schema import listings, locations, streams
from .sql import insert_or

#: How many due rows are looked at for one lookup.
_LOOKED_AT = 400

#: How many locations one transaction looks through for new apps.
_LOCATIONS_AT_ONCE = 20

_ASSETS = MIRRORS["assets"].table


@dataclass(frozen=True, kw_only=True)
class WantedListing:
    """One listing that is due: of what, for whom, and how far the search for it is."""

    adam_id: str
    #: From where it is seen.
    seen_from: Storefront
    #: The uId of the one location that sees it; empty if all do.
    owner: str = ""
    #: Where it was found last, and where the present search was last without success.
    found_at: Storefront | None = None
    tried: Storefront | None = None
    misses: int = 0
    failures: int = 0


class Listings:
    """The listings of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def want_new(self) -> None:
        """Want the listings of all that locations have new, of some locations at a time."""
        while self._want_some():
            pass

    def due(self, now: datetime) -> list[WantedListing]:
        """Return some of the listings that are due: those of everybody first, and those that wait for the longest."""
        is_own = sa.case((listings.c.owner == "", 0), else_=1)
        some = sa.select(*_WANTED).where(listings.c.due_at <= now).order_by(is_own, listings.c.due_at).limit(_LOOKED_AT)
        with self._database.once() as connection:
            return [_wanted(row) for row in connection.execute(some)]

    def is_due(self, now: datetime) -> bool:
        """Return whether anything is due, or new."""
        is_due = sa.exists().where(listings.c.due_at <= now)
        with self._database.once() as connection:
            return bool(connection.scalar(sa.select(is_due | sa.exists(_UNNAMED.with_only_columns(locations.c.id)))))

    def unnamed(self) -> int:
        """Return how many apps and books are due whose names no store has said yet."""
        is_first = listings.c.as_of.is_(None) & (listings.c.misses == 0) & (listings.c.failures == 0)
        is_due = listings.c.due_at <= self._database.now()
        statement = sa.select(sa.func.count(sa.distinct(listings.c.adam_id))).where(is_first & is_due)
        with self._database.once() as connection:
            return connection.scalar(statement) or 0

    def names(self, uids: Collection[str], adam_ids: Collection[str]) -> Mapping[tuple[str, str], str]:
        """Return the names of apps, by the location that sees them so and the app."""
        sees = (listings.c.country == locations.c.country) & (listings.c.catalogue == locations.c.catalogue)
        sees &= listings.c.owner.in_(["", locations.c.uid])
        rows = sa.select(locations.c.uid, listings.c.adam_id, listings.c.name).join(locations, sees)
        rows = rows.where(locations.c.uid.in_(uids), listings.c.adam_id.in_(adam_ids), listings.c.name.is_not(None))
        with self._database.once() as connection:  # what a location alone sees comes last, and counts
            found = connection.execute(rows.order_by(listings.c.owner)).all()
        return {(row.uid, row.adam_id): row.name for row in found}

    def called(self, name: str) -> list[str]:
        """Return the ids of the apps of a name, in whatever case, or of the one with that id."""
        if name.isascii() and name.isdecimal():
            return [name]
        is_it = (sa.func.lower(listings.c.name) == name.lower()) | (listings.c.name == name)
        same = sa.select(listings.c.adam_id).where(is_it).distinct()
        with self._database.once() as connection:
            return list(connection.scalars(same))

    def with_icons(self, adam_ids: Collection[str]) -> set[str]:
        """Return of which of these apps the store has said where their icons are."""
        rows = sa.select(listings.c.adam_id).where(listings.c.adam_id.in_(adam_ids), listings.c.icon_url.is_not(None))
        with self._database.once() as connection:
            return set(connection.scalars(rows.distinct()))

    def countries(self, adam_ids: Collection[str]) -> Mapping[str, list[str]]:
        """Return from which countries' stores each of these is seen by some location."""
        seen = sa.select(listings.c.adam_id, listings.c.country).where(listings.c.adam_id.in_(adam_ids)).distinct()
        found: dict[str, list[str]] = {}
        with self._database.once() as connection:
            for adam_id, country in connection.execute(seen.order_by(listings.c.country)):
                found.setdefault(adam_id, []).append(country)
        return found

    def note_found(
        self,
        wanted: WantedListing,
        listing: Listing,
        storefront: Storefront,
        language: str,
        now: datetime,
        due: datetime,
    ) -> None:
        """Store a listing. What it leaves out this time stays as it was."""
        said = {field.name: getattr(listing, field.name) for field in fields(Listing) if field.name != "adam_id"}
        known = {name: value for name, value in said.items() if value is not None and value != ()}
        if "platforms" in known:
            known["platforms"] = list(listing.platforms)
        found = {"found_country": storefront.country, "found_catalogue": storefront.catalogue, "language": language}
        state = {"as_of": now, "missing_since": None, "due_at": due, "misses": 0, "failures": 0}
        self._update(wanted, known | found | state | _at(None))

    def note_missed(self, wanted: WantedListing, storefront: Storefront, now: datetime) -> None:
        """Note that a storefront has nothing of it: the next storefront of the search is due at once."""
        self._update(wanted, _at(storefront) | {"due_at": now, "failures": 0})

    def note_exhausted(self, wanted: WantedListing, now: datetime, due: datetime) -> None:
        """Note that no storefront has it; what was found earlier stays."""
        missing = sa.func.coalesce(listings.c.missing_since, sa.literal(now, listings.c.missing_since.type))
        state = {"missing_since": missing, "due_at": due, "misses": wanted.misses + 1, "failures": 0}
        self._update(wanted, state | _at(None))

    def note_failed(self, some: Sequence[WantedListing], failures: int, due: datetime) -> None:
        """Note that the service had no answer: that says nothing of what it has."""
        self._move(some, {"due_at": due, "failures": failures})

    def postpone(self, some: Sequence[WantedListing], due: datetime) -> None:
        """Look these up later: nobody can be asked now."""
        self._move(some, {"due_at": due})

    def want_own(self, storefront: Storefront, adam_ids: Sequence[str], now: datetime) -> None:
        """Want what the owners of custom apps see: each location that has one of these asks with its own token."""
        with self._database.write() as connection:
            connection.execute(_want_own(connection, storefront, adam_ids, now))

    def _want_some(self) -> bool:
        now = self._database.now()
        with self._database.write() as connection:
            some = connection.execute(_UNNAMED.limit(_LOCATIONS_AT_ONCE)).all()
            for row in some:
                storefront = Storefront(country=row.country, catalogue=row.catalogue)
                own = sa.select(_ASSETS.c.adam_id).where(_ASSETS.c.location_id == row.id).distinct()
                public = _inserted(connection, own, storefront, "", now)
                connection.execute(public)
                is_missing = (
                    (listings.c.adam_id == _ASSETS.c.adam_id)
                    & (listings.c.country == storefront.country)
                    & (listings.c.catalogue == storefront.catalogue)
                    & (listings.c.owner == "")
                    & listings.c.as_of.is_(None)
                    & ((listings.c.misses > 0) | listings.c.tried_country.is_not(None))
                )
                connection.execute(
                    _inserted(connection, own.where(sa.exists().where(is_missing)), storefront, row.uid, now)
                )
                seen = sa.update(locations).where(locations.c.id == row.id).values(named_moves=row.moves)
                connection.execute(seen)
        return len(some) == _LOCATIONS_AT_ONCE

    def _move(self, some: Sequence[WantedListing], values: Mapping[str, Any]) -> None:
        with self._database.write() as connection:
            for one in some:
                connection.execute(sa.update(listings).where(_is(one)).values(values))

    def _update(self, wanted: WantedListing, values: Mapping[str, Any]) -> None:
        with self._database.once() as connection:
            connection.execute(sa.update(listings).where(_is(wanted)).values(values))


def _inserted(connection: sa.Connection, adam_ids: Any, storefront: Storefront, owner: str, now: datetime) -> Any:
    """Return the statement that wants listings, unless they are wanted already."""
    fixed = (sa.literal(storefront.country), sa.literal(storefront.catalogue), sa.literal(owner))
    due = sa.literal(now, listings.c.due_at.type)
    columns = ["adam_id", "country", "catalogue", "owner", "due_at"]
    rows = adam_ids.add_columns(*fixed, due)
    return insert_or(connection.dialect.name, listings).from_select(columns, rows).on_conflict_do_nothing()


def _want_own(connection: sa.Connection, storefront: Storefront, adam_ids: Sequence[str], now: datetime) -> Any:
    is_here = locations.c.is_watched & (locations.c.country == storefront.country)
    is_here &= locations.c.catalogue == storefront.catalogue
    due = sa.literal(now, listings.c.due_at.type)
    rows = (
        sa.select(_ASSETS.c.adam_id, locations.c.country, locations.c.catalogue, locations.c.uid, due)
        .join(locations, locations.c.id == _ASSETS.c.location_id)
        .where(is_here & _ASSETS.c.adam_id.in_(adam_ids))
        .distinct()
    )
    columns = ["adam_id", "country", "catalogue", "owner", "due_at"]
    return insert_or(connection.dialect.name, listings).from_select(columns, rows).on_conflict_do_nothing()


def _is(wanted: WantedListing) -> Any:
    mine = {
        "adam_id": wanted.adam_id,
        "country": wanted.seen_from.country,
        "catalogue": wanted.seen_from.catalogue,
        "owner": wanted.owner,
    }
    return sa.and_(*(listings.c[name] == value for name, value in mine.items()))


def _at(storefront: Storefront | None) -> dict[str, str | None]:
    if storefront is None:
        return {"tried_country": None, "tried_catalogue": None}
    return {"tried_country": storefront.country, "tried_catalogue": storefront.catalogue}


#: The watched locations whose assets have changed since their names were wanted.
_UNNAMED = (
    sa.select(locations.c.id, locations.c.uid, locations.c.country, locations.c.catalogue, streams.c.moves)
    .join(streams, (streams.c.location_id == locations.c.id) & (streams.c.resource == "assets"))
    .where(locations.c.is_watched & locations.c.country.is_not(None) & streams.c.published_at.is_not(None))
    .where(locations.c.named_moves.is_distinct_from(streams.c.moves))
)

_WANTED = tuple(
    listings.c[name]
    for name in (
        *("adam_id", "country", "catalogue", "owner", "found_country", "found_catalogue"),
        *("tried_country", "tried_catalogue", "misses", "failures"),
    )
)


def _wanted(row: Any) -> WantedListing:
    def storefront(country: str | None, catalogue: str | None) -> Storefront | None:
        return None if country is None or catalogue is None else Storefront(country=country, catalogue=catalogue)

    return WantedListing(
        adam_id=row.adam_id,
        seen_from=Storefront(country=row.country, catalogue=row.catalogue),
        owner=row.owner,
        found_at=storefront(row.found_country, row.found_catalogue),
        tried=storefront(row.tried_country, row.tried_catalogue),
        misses=row.misses,
        failures=row.failures,
    )
