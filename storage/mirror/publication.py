"""Publish: compare what a crawl read with the mirror, and apply the difference, its feed and its version as one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..clock import Clock
from ..database import Database
from ..ledger.crawls import Crawl
from ..ledger.pages import counted_in_all, is_of_one_moment
from ..ledger.streams import Stream, lock_stream
from ..limits import allow
from ..schema import CrawlKind, CrawlState, crawls, streams
from .counts import note_full_look, note_looks
from .difference import Difference, apply_difference, insert_new
from .feed import write_feed
from .outcome import Reading, Reason, ending
from .stage import Stage, all_new
from .tables import MIRRORS, Mirror

#: A statement of a publish may take so long, and more for each page. Two million records take some seconds.
_LEAST_SECONDS = 60.0
_SECONDS_A_PAGE = 0.2

#: The joins of a publish fit into this; PostgreSQL's default sends them to disk.
_WORK_MEMORY = "64MB"


@dataclass(frozen=True, kw_only=True)
class Deletes:
    """What a publish is about to delete, for somebody else to judge."""

    count: int
    #: How many records the mirror holds, and how many it would hold after.
    records: int
    remaining: int
    #: Names exactly these deletes; costs a pass over them.
    digest: Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether deletes may happen; if not, the digest that a second crawl has to show."""

    may_delete: bool
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a publish did to the mirror."""

    inserted: int
    updated: int
    deleted: int
    held: int


#: Decides whether deletes may happen; it is given the stream as it stands.
Judge = Callable[[Deletes, Stream], Verdict]


class Publisher:
    """Publishes settled crawls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, crawl: Crawl, judge: Judge) -> Published | None:
        """Settled -> published, once: None where another publish of this crawl is at work, or was."""
        seconds = _LEAST_SECONDS + _SECONDS_A_PAGE * (crawl.total or len(crawl.scopes))
        with self._database.write(2 * seconds) as connection:
            allow(connection, seconds)
            if not _claim(connection, crawl):
                return None
            return _Publication(connection, crawl, lock_stream(connection, crawl.stream_id), self._database).run(judge)


def _claim(connection: sa.Connection, crawl: Crawl) -> bool:
    if connection.dialect.name == "postgresql":
        # A publish that outlasts its message's patience is delivered again: the second leaves at once, it never queues.
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(crawl.stream_id))):
            return False
        connection.execute(sa.text(f"SET LOCAL work_mem = '{_WORK_MEMORY}'"))
    claimed = connection.execute(
        sa.update(crawls)
        .where((crawls.c.id == crawl.id) & (crawls.c.state == CrawlState.SETTLED))
        .values(state=CrawlState.PUBLISHED)
        .returning(crawls.c.id)
    )
    return claimed.one_or_none() is not None


class _Publication:
    """One publish, inside its transaction."""

    def __init__(self, connection: sa.Connection, crawl: Crawl, stream: Stream, clock: Clock) -> None:
        self._connection = connection
        self._crawl = crawl
        self._stream = stream
        self._clock = clock
        self._mirror: Mirror = MIRRORS[crawl.resource]
        self._stage = Stage(connection, self._mirror)
        self._difference = Difference(connection, self._mirror, stream.location_id)
        #: Whether what was read is of one moment; only then does it tell what is gone, or move a version.
        self._is_sound = bool(crawl.is_consistent)
        self._retired = 0
        self._verdict = Verdict(may_delete=True)

    @property
    def _is_whole(self) -> bool:
        return self._is_sound and self._crawl.kind is CrawlKind.FULL

    def run(self, judge: Judge) -> Published:
        self._stage.fill(self._crawl)
        if self._crawl.kind is not CrawlKind.SPOT:
            self._is_sound &= is_of_one_moment(self._connection, self._crawl)
        if self._is_whole and self._is_same():
            published = Published(inserted=0, updated=0, deleted=0, held=0)
        else:
            published = self._compare(judge)
        self._note(published)
        self._stage.drop()
        return published

    def _compare(self, judge: Judge) -> Published:
        self._stage.unify()
        if self._stage.repeated:
            self._is_sound = False  # one moment shows a record once: these pages are of several
        if self._is_whole and self._mirror.resource.is_legacy and not self._is_counted():
            self._is_sound = False
        if self._mirror.is_counted and not self._is_whole:
            # Retired rows have no identity: only a whole reading of one moment can count them.
            self._retired = self._stage.drop_retired()
        return self._load() if self._is_first() else self._change(judge)

    def _is_counted(self) -> bool:
        """Tell whether as many records were read as the legacy service counts, where it counts them."""
        counted = counted_in_all(self._connection, self._crawl)
        read = self._connection.scalar(sa.select(sa.func.count()).select_from(self._stage.table))
        return counted is None or counted == read

    def _is_same(self) -> bool:
        """Tell whether the mirror holds exactly what was read, by two sums over 64-bit hashes of the records.

        A shifted order does not matter to a sum, and a record that came twice in the place of another does. It saves
        the comparison where nothing changed: a third of the time.
        """
        if self._connection.dialect.name != "postgresql" or self._mirror.is_counted:
            return False
        table = self._mirror.table
        here = table.c.location_id == self._stream.location_id
        staged = self._connection.execute(_sums(self._stage.table.c.record)).one()
        return staged == self._connection.execute(_sums(table.c.record).where(here)).one()

    def _is_first(self) -> bool:
        here = self._mirror.table.c.location_id == self._stream.location_id
        return not self._connection.scalar(sa.select(sa.exists().where(here)))

    def _load(self) -> Published:
        """Publish into an empty mirror: everything is new, and there is nothing to compare it with."""
        new = all_new(self._stage.table)
        insert_new(self._connection, self._mirror, self._stream.location_id, new)
        count = self._connection.scalar(sa.select(sa.func.count()).select_from(self._stage.table)) or 0
        write_feed(self._connection, self._mirror, self._crawl, new, count, self._clock.now())
        return Published(inserted=count, updated=0, deleted=0, held=0)

    def _change(self, judge: Judge) -> Published:
        """Publish into a mirror that holds something: what differs, and nothing else."""
        difference = self._difference
        difference.compare(self._stage, self._complete())
        held = self._hold(judge)
        counts = difference.counts()
        apply_difference(self._connection, self._mirror, self._stream.location_id, difference.table)
        write_feed(
            self._connection, self._mirror, self._crawl, difference.table, sum(counts.values()), self._clock.now()
        )
        difference.drop()
        return Published(
            inserted=counts.get("insert", 0),
            updated=counts.get("update", 0),
            deleted=counts.get("delete", 0),
            held=held,
        )

    def _complete(self) -> Any:
        """Choose the rows of the mirror of which what was not read is gone; None where there are none."""
        if self._is_whole:
            return sa.true()
        if self._crawl.kind is not CrawlKind.SPOT or not self._is_sound:
            return None
        table = self._mirror.table
        assets = [(scope.adam_id, scope.pricing_param) for scope in self._crawl.scopes if scope.is_consistent]
        return sa.tuple_(table.c.adam_id, table.c.pricing_param).in_(assets)

    def _hold(self, judge: Judge) -> int:
        """Have the deletes judged, and leave them out if they may not be; tell how many those are."""
        count = self._difference.lost()
        if not count:
            return 0
        before = self._before()
        remaining = before + self._difference.counts().get("insert", 0) - count
        digest = self._difference.digest
        deletes = Deletes(count=count, records=before, remaining=remaining, digest=digest)
        self._verdict = judge(deletes, self._stream)
        if self._verdict.may_delete:
            return 0
        self._difference.hold()
        return count

    def _note(self, published: Published) -> None:
        now = self._clock.now()
        outcome = ending(
            self._crawl,
            self._stream,
            Reading(is_sound=self._is_sound, held=published.held, digest=self._verdict.digest, retired=self._retired),
            now,
        )
        values = outcome | {"records": self._records(published), "published_at": now, "problem": None, "failures": 0}
        if published.inserted or published.updated or published.deleted:
            values["moves"] = streams.c.moves + 1
        self._connection.execute(sa.update(streams).where(streams.c.id == self._stream.id).values(values))
        if self._crawl.kind is CrawlKind.SPOT:
            note_looks(self._connection, self._crawl, now)
        elif self._crawl.forced_by == Reason.COUNTS:
            note_full_look(self._connection, self._crawl.location_id, now)
        done = {"inserted": published.inserted, "updated": published.updated, "deleted": published.deleted}
        self._connection.execute(
            sa.update(crawls)
            .where(crawls.c.id == self._crawl.id)
            .values(done | {"is_consistent": self._is_sound, "moved_at": now, "ended_at": now})
        )

    def _records(self, published: Published) -> Any:
        if self._mirror.is_counted or self._stream.published_at is None:  # of an earlier life, nobody counted records
            return self._count()
        return self._stream.records + published.inserted - published.deleted

    def _before(self) -> int:
        """Count the records that the mirror had; a stream that is new may find those of an earlier life."""
        if self._stream.published_at is None:
            return int(self._connection.scalar(sa.select(self._count())) or 0)
        return self._stream.records

    def _count(self) -> Any:
        table = self._mirror.table
        number = sa.func.coalesce(sa.func.sum(table.c.copies), 0) if self._mirror.is_counted else sa.func.count()
        mine = table.c.location_id == self._stream.location_id
        return sa.select(number).select_from(table).where(mine).scalar_subquery()


def _sums(record: Any) -> Any:
    hashes = (sa.func.hashtextextended(record, seed) for seed in (0, 1))
    return sa.select(sa.func.count(), *(sa.func.sum(one) for one in hashes))
