"""Locations: one content token each, sealed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from apple.client import ClientConfig
from apple.listings import USUAL_CATALOGUE
from apple.tokens import Token

from .database import Database
from .errors import LocationExists, LocationNameTaken, SealedAway, UnknownLocation
from .locks import lock_streams
from .prepared import Prepared
from .schema import locations, streams, syncs
from .sealer import Sealer
from .sql import own_columns, pick
from .states import LocationState, SyncState

#: How often Apple is asked about a token: it may have been renewed, or the address of its notices changed.
ASK_EVERY = timedelta(days=1)

#: How many names an error lists.
_SHOWN = 20

#: After this, a queued check counts as lost.
ASK_AGAIN = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Location:
    """A location as it is kept; the token is not in it."""

    id: int
    name: str
    uid: str
    organisation: str
    token_expires: datetime
    owner: str | None
    owner_name: str | None
    state: LocationState
    problem: str | None
    error: str | None
    is_watched: bool
    added_at: datetime
    #: What Apple calls it; several may have the same name there.
    apple_name: str
    #: Where its notices go, as Apple said when it was last asked.
    notice_url: str | None
    notice_types: list[str] | None
    #: The country of its store, and which of the store's catalogues is for it; None until Apple was asked.
    country: str | None
    catalogue: str | None
    asked_at: datetime | None

    def token(self, text: str) -> Token:
        """Return its token with the text that was sealed."""
        return Token(text=text, expires=self.token_expires, organisation=self.organisation)


class Locations:
    """The locations of a database."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def add(self, name: str, uid: str, token: Token, owner: str | None, resources: list[str]) -> Location:
        """Add a location and its streams. One that was removed is watched again, with all its data."""
        with self._database.write() as connection:
            _lock_streams_of(connection, locations.c.uid == uid)
            self._refuse_known(connection, name, uid)
            values = self._sealed(token) | {"name": name, "owner": owner, "is_watched": True}
            revived = connection.scalar(
                sa.update(locations).where(locations.c.uid == uid).values(values).returning(locations.c.id)
            )
            number = revived or self._insert(connection, values | {"uid": uid})
            _watch(connection, number, resources)
            _make_due(connection, locations.c.id == number)
            return make_location(connection.execute(sa.select(locations).where(locations.c.id == number)).one())

    def rotate(self, name: str, token: Token) -> None:
        """Replace the token by a newer one."""
        with self._database.write() as connection:
            _lock_streams_of(connection, locations.c.name == name)
            row = connection.execute(
                sa.update(locations)
                .where(locations.c.name == name)
                .values(self._sealed(token))
                .returning(locations.c.id)
            ).one_or_none()
            _make_due(connection, locations.c.name == name)
        if row is None:
            raise UnknownLocation(f"(named '{name}')")

    def watch(self, name: str, resources: list[str]) -> None:
        """Watch these resources of a location from now on; what was mirrored of others is kept."""
        with self._database.write() as connection:
            _watch(connection, _watched(connection, name).id, resources)

    def rename(self, names: Mapping[str, str]) -> None:
        """Rename locations, all at once: two may swap their names."""
        with self._database.write() as connection:
            for uid in names:
                aside = f"{uid} (being renamed)"
                connection.execute(sa.update(locations).where(locations.c.uid == uid).values(name=aside))
            for uid, name in names.items():
                self._refuse_taken(connection, name, uid)
                connection.execute(sa.update(locations).where(locations.c.uid == uid).values(name=name))

    def time(self, uid: str, resource: str, every: Mapping[str, int | None]) -> None:
        """Set a stream's own intervals, in seconds; None is the default. The stream is due at once."""
        location = sa.select(locations.c.id).where(locations.c.uid == uid).scalar_subquery()
        here = (streams.c.location_id == location) & (streams.c.resource == resource)
        values = {f"{kind}_seconds": seconds for kind, seconds in every.items()} | {"due_at": self._database.now()}
        with self._database.write() as connection:
            connection.execute(sa.update(streams).where(here).values(values))

    def remove(self, name: str) -> None:
        """Stop watching: the token is erased, what was mirrored is kept."""
        with self._database.write() as connection:
            location = _watched(connection, name)
            lock_streams(connection, [location.id])
            connection.execute(
                sa.update(locations)
                .where(locations.c.id == location.id)
                .values(is_watched=False, sealed_token=None, problem=None, error=None)
            )
            connection.execute(sa.update(streams).where(streams.c.location_id == location.id).values(is_watched=False))

    def watched(self, names: list[str] | None = None) -> list[Location]:
        """Return the watched locations in the order of their names; those of some names, each of which must exist."""
        with self._database.read() as connection:
            if names:
                return [_watched(connection, name) for name in names]
            rows = connection.execute(sa.select(locations).where(locations.c.is_watched).order_by(locations.c.name))
            return [make_location(row) for row in rows]

    def named(self, name: str) -> Location:
        """Return the location of this name, watched or not: what was mirrored of it is still here."""
        with self._database.read() as connection:
            return _named(connection, name, sa.true())

    def removed(self) -> list[Location]:
        """Return the locations that are no longer watched, whose data are kept."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(locations).where(~locations.c.is_watched).order_by(locations.c.name))
            return [make_location(row) for row in rows]

    def being_synced(self) -> list[Location]:
        """Return the locations that are read just now."""
        is_open = sa.exists().where((syncs.c.location_id == locations.c.id) & (syncs.c.state == SyncState.OPEN))
        with self._database.once() as connection:
            rows = connection.execute(sa.select(locations).where(is_open).order_by(locations.c.name))
            return [make_location(row) for row in rows]

    def of_organisation(self, uid: str) -> list[str]:
        """Return the uIds of the watched locations of a location's organisation, as its token names it."""
        mine = sa.select(locations.c.organisation).where(locations.c.uid == uid).scalar_subquery()
        same = locations.c.is_watched & (locations.c.organisation == mine) & (locations.c.organisation != "")
        with self._database.once() as connection:
            return list(connection.scalars(sa.select(locations.c.uid).where(same)))

    def find(self, uid: str) -> Location:
        """Return the location of a uId."""
        rows = self._database.fetch(_OF_UID, {"of": uid})
        if not rows:
            raise UnknownLocation(f"(uId {uid})")
        return make_location(rows[0])

    def token(self, location: Location) -> Token:
        """Open the token of a location."""
        with self._database.read() as connection:
            sealed = connection.scalar(sa.select(locations.c.sealed_token).where(locations.c.id == location.id))
        if sealed is None:
            raise UnknownLocation(f"('{location.name}' is no longer watched)")
        try:
            return location.token(self._sealer.open(sealed))
        except SealedAway:
            raise SealedAway(f"(the one of '{location.name}')") from None

    def reseal(self) -> int:
        """Seal every token again with the first key: the others are then no longer needed. Return how many."""
        mine = sa.select(locations.c.id, locations.c.sealed_token).where(locations.c.sealed_token.is_not(None))
        with self._database.write() as connection:
            rows = connection.execute(mine.order_by(locations.c.id).with_for_update()).all()
            for row in rows:
                sealed = self._sealer.seal(self._sealer.open(row.sealed_token))
                connection.execute(sa.update(locations).where(locations.c.id == row.id).values(sealed_token=sealed))
        return len(rows)

    def holder_of(self, text: str) -> Location | None:
        """Return the watched location with exactly this token; None if there is none."""
        return next((one for one in self.watched() if self.token(one).text == text), None)

    def has_token(self, location_id: int, token: Token) -> bool:
        """Return whether this is the token that a location has now."""
        with self._database.read() as connection:
            sealed = connection.scalar(sa.select(locations.c.sealed_token).where(locations.c.id == location_id))
        return sealed is not None and self._sealer.open(sealed) == token.text

    def mark(
        self,
        location_id: int,
        state: LocationState,
        problem: str | None = None,
        error: str | None = None,
        *,
        seen: LocationState | None = None,
    ) -> None:
        """Store the state of the token; if `seen` is given, only if that is still the state."""
        changed = (locations.c.state != state) | locations.c.problem.is_distinct_from(problem)
        if seen is not None:
            changed &= locations.c.state == seen
        with self._database.write() as connection:
            connection.execute(
                sa.update(locations)
                .where((locations.c.id == location_id) & changed)
                .values(state=state, problem=problem, error=error)
            )

    def note_config(self, location_id: int, config: ClientConfig) -> None:
        """Store Apple's name of a location, where its notices go, and from which store it sees apps."""
        values: dict[str, Any] = {
            "apple_name": config.name,
            "notice_url": config.notification_url,
            "notice_types": list(config.notification_types),
        }
        if config.country is not None:
            values |= {"country": config.country.lower(), "catalogue": config.platform or USUAL_CATALOGUE}
        with self._database.write() as connection:
            now = self._database.now()
            noted = values | {"asked_at": now, "ask_due_at": now + ASK_EVERY}
            if "country" in values:  # from another store, all apps have to be named anew
                is_same = (locations.c.country == values["country"]) & (locations.c.catalogue == values["catalogue"])
                noted["named_moves"] = sa.case((is_same, locations.c.named_moves), else_=sa.null())
            connection.execute(sa.update(locations).where(locations.c.id == location_id).values(noted))

    def claim_unasked(self, limit: int) -> list[str]:
        """Claim the locations whose tokens are to be checked: each for one caller, until that seems lost."""
        now = self._database.now()
        is_due = locations.c.ask_due_at.is_(None) | (locations.c.ask_due_at <= now)
        some = sa.select(locations.c.id).where(locations.c.is_watched & is_due).order_by(locations.c.ask_due_at)
        some = some.limit(limit).with_for_update(skip_locked=True)
        with self._database.write() as connection:
            claimed = sa.update(locations).where(locations.c.id.in_(some)).values(ask_due_at=now + ASK_AGAIN)
            return list(connection.scalars(claimed.returning(locations.c.uid)))

    def postpone_asking(self, location_id: int) -> None:
        """Note that Apple answered a check with an error: the next is a day later all the same."""
        values = {"ask_due_at": self._database.now() + ASK_EVERY}
        with self._database.write() as connection:
            connection.execute(sa.update(locations).where(locations.c.id == location_id).values(values))

    def note_expiry(self, location_id: int, expires: datetime) -> None:
        """Store when the token expires, as Apple says."""
        with self._database.write() as connection:
            connection.execute(sa.update(locations).where(locations.c.id == location_id).values(token_expires=expires))

    def disown(self, location_id: int) -> None:
        """Forget which service manages the location: the one that the next answer names is accepted."""
        values = {"owner": None, "owner_name": None, "state": LocationState.VALID, "problem": None, "error": None}
        with self._database.write() as connection:
            _lock_streams_of(connection, locations.c.id == location_id)
            connection.execute(sa.update(locations).where(locations.c.id == location_id).values(values))
            _make_due(connection, locations.c.id == location_id)

    def own(self, location_id: int, owner: str, name: str | None) -> None:
        """Store which service manages the location, and its name, unless another one is stored."""
        here = (locations.c.id == location_id) & (locations.c.owner.is_(None) | (locations.c.owner == owner))
        with self._database.write() as connection:
            connection.execute(sa.update(locations).where(here).values(owner=owner, owner_name=name))

    def _sealed(self, token: Token) -> dict[str, Any]:
        return {
            "sealed_token": self._sealer.seal(token.text),
            "token_expires": token.expires,
            "organisation": token.organisation,
            "state": LocationState.VALID,
            "problem": None,
            "error": None,
        }

    def _refuse_known(self, connection: sa.Connection, name: str, uid: str) -> None:
        row = connection.execute(
            sa.select(locations.c.name).where((locations.c.uid == uid) & locations.c.is_watched)
        ).one_or_none()
        if row is not None:
            raise LocationExists(f"Its name here is '{row.name}'.")
        self._refuse_taken(connection, name, uid)

    def _refuse_taken(self, connection: sa.Connection, name: str, uid: str) -> None:
        here = (locations.c.name == name) & (locations.c.uid != uid)
        row = connection.execute(sa.select(locations.c.uid, locations.c.is_watched).where(here)).one_or_none()
        if row is None:
            return
        if row.is_watched:
            raise LocationNameTaken(f"('{name}' is location {row.uid})")
        # A removed location gives up its name; this other one keeps its records findable.
        connection.execute(sa.update(locations).where(here).values(name=f"{name} ({row.uid})"))

    def _insert(self, connection: sa.Connection, values: dict[str, Any]) -> int:
        values["added_at"] = self._database.now()
        try:
            row = connection.execute(sa.insert(locations).values(values).returning(locations.c.id)).one()
        except IntegrityError:
            raise LocationExists("Another process added it just now.") from None
        return int(row.id)


def _lock_streams_of(connection: sa.Connection, which: Any) -> None:
    """Lock the streams of a location before the location itself, as the opening of a sync does."""
    lock_streams(connection, list(connection.scalars(sa.select(locations.c.id).where(which))))


def _make_due(connection: sa.Connection, which: Any) -> None:
    """Make all streams of a location due, and end their rest after failures: a person has acted."""
    ids = list(connection.scalars(sa.select(locations.c.id).where(which)))
    lock_streams(connection, ids)
    connection.execute(sa.update(streams).where(streams.c.location_id.in_(ids)).values(due_at=None, failures=0))


def _watch(connection: sa.Connection, location_id: int, resources: list[str]) -> None:
    lock_streams(connection, [location_id])
    connection.execute(sa.update(streams).where(streams.c.location_id == location_id).values(is_watched=False))
    known = set(connection.scalars(sa.select(streams.c.resource).where(streams.c.location_id == location_id)))
    for resource in resources:
        if resource in known:
            here = (streams.c.location_id == location_id) & (streams.c.resource == resource)
            connection.execute(sa.update(streams).where(here).values(is_watched=True))
        else:
            connection.execute(sa.insert(streams).values(location_id=location_id, resource=resource))


def _watched(connection: sa.Connection, name: str) -> Location:
    return _named(connection, name, locations.c.is_watched)


def _named(connection: sa.Connection, name: str, among: sa.ColumnElement[bool]) -> Location:
    """Return the location of a name; if there is none, raise an error with names that there are."""
    row = connection.execute(sa.select(locations).where((locations.c.name == name) & among)).one_or_none()
    if row is None:
        known = connection.scalars(sa.select(locations.c.name).where(among).order_by(locations.c.name)).all()
        others = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        raise UnknownLocation(f"('{name}'; there are {', '.join(known[:_SHOWN]) or 'none yet'}{others})")
    return make_location(row)


#: The columns of the fields of a location.
LOCATION = own_columns(Location, locations)

_OF_UID = Prepared(sa.select(*LOCATION.values()).where(locations.c.uid == sa.bindparam("of")))


def make_location(row: Any) -> Location:
    """Make a location of a row."""
    values = pick(row, LOCATION)
    return Location(**values | {"state": LocationState(values["state"])})
