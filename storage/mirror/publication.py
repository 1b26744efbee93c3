"""Publish: compare what a crawl read with the mirror, and apply the difference, its feed and its version as one."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import psycopg
import sqlalchemy as sa

from apple.resources import Paging

from ..clock import Clock
from ..database import Database
from ..ledger.crawls import PUBLISH, Crawl, moving
from ..ledger.pages import complete, counted_in_all, digest_all, is_consistent, join_digests
from ..ledger.streams import Stream, lock_stream
from ..limits import allow, limit_memory
from ..prepared import Prepared
from ..schema import crawls, streams
from ..states import CrawlKind, Reason
from .counts import note_full_look, note_looks
from .days import COUNTED, note_days
from .difference import Difference, adopt_fingerprints, apply_difference, insert_new
from .feed import write_feed
from .fingerprints import Fingerprints
from .hold import Deletes, Judge, Verdict, judge_deletes
from .outcome import Changes, Findings, stream_after
from .rows import PageRows, write_rows
from .stage import Stage, all_new
from .tables import MIRRORS, Mirror

#: A statement of a publish may take this long, and more for each page. Two million records take some seconds.
_LEAST_SECONDS = 60.0
_SECONDS_A_PAGE = 0.2

#: The joins of a publish fit into this; PostgreSQL's default sends them to disk.
_WORK_MEMORY = "64MB"

#: Where more records than these are unlike the mirror, all are compared: the places of each are held in memory.
_MOST_UNLIKE = 100_000

#: After so many new rows PostgreSQL counts them: until it has, it plans the next publish badly.
_MANY = 500_000

#: What drops the temporary tables of a publish.
Drops = list[Callable[[], None]]


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a publish did to the mirror."""

    changes: Changes
    #: How many deletes were held.
    held: int


class Publisher:
    """Publishes settled crawls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, crawl: Crawl, judge: Judge = judge_deletes) -> Published | None:
        """Publish a settled crawl, once; return None if another publish of it is at work, or was."""
        seconds = _LEAST_SECONDS + _SECONDS_A_PAGE * (crawl.total or len(crawl.scopes))
        with self._database.write(2 * seconds) as connection:
            allow(connection, seconds)
            if not _claim(connection, crawl):
                return None
            stream = lock_stream(connection, crawl.stream_id)
            return _Publication(connection, crawl, stream, self._database).run(judge)


def _claim(connection: sa.Connection, crawl: Crawl) -> bool:
    # A publish that takes longer than its message is delivered again: the second leaves, it never waits.
    if connection.dialect.name == "postgresql":
        [row] = _LOCK.run(connection, {"of": crawl.stream_id})
        if not row[_IS_LOCKED]:
            return False
    return bool(_PUBLISH.run(connection, {"of": crawl.id}))


class _Publication:
    """One publish, inside its transaction.

    `run` tries the cheap ways first, each of which leaves what it cannot prove to the next: the pages are the very ones
    that the mirror was made of; the mirror is empty; few records differ; all are compared. How much the pages prove is
    the point: only pages that are all of one version, that show no record twice, and that have as many records as Apple
    counts may delete what they do not show, or move a version.
    """

    def __init__(self, connection: sa.Connection, crawl: Crawl, stream: Stream, clock: Clock) -> None:
        self._connection = connection
        self._crawl = crawl
        self._stream = stream
        self._clock = clock
        self._mirror: Mirror = MIRRORS[crawl.resource]
        self._stage = Stage(connection, self._mirror)

    def run(self, judge: Judge) -> Published:
        found = self._prove() or self._load() or self._compare_fingerprints(judge) or self._compare(judge)
        self._note(found)
        return Published(changes=found.changes, held=found.held)

    def _prove(self) -> Findings | None:
        """Return that nothing changed, if a full crawl has the very pages that the mirror was made of."""
        known = self._stream.proof_digest
        if not self._is_full or known is None or digest_all(self._connection, self._crawl) != known:
            return None
        # The legacy service may count a record that no batch showed.
        if not self._are_pages_consistent() or not self._is_counted(self._stream.records):
            return None
        return replace(self._unchanged(), is_proved=True, proof_digest=known)

    def _unchanged(self) -> Findings:
        nothing = Changes()
        return Findings(is_consistent=True, changes=nothing, records=self._records(nothing))

    @property
    def _is_full(self) -> bool:
        return self._crawl.kind is CrawlKind.FULL

    def _are_pages_consistent(self) -> bool:
        if not self._crawl.is_consistent:
            return False
        return self._crawl.kind is CrawlKind.SPOT or is_consistent(self._connection, self._crawl)

    def _load(self) -> Findings | None:
        """Fill an empty mirror, where there is nothing to compare with; return None if a key came twice."""
        if not self._is_keyed or self._mirror.resource.paging is Paging.BATCH or not self._is_first():
            return None
        rows = PageRows(self._connection, self._mirror, self._crawl)
        table, here = self._mirror.table, self._stream.location_id
        try:
            with self._connection.begin_nested():
                for block in rows.blocks():
                    own = ((here, *row) for row in block)
                    write_rows(self._connection, table.name, ("location_id", *self._mirror.columns), own)
        except (psycopg.errors.UniqueViolation, sqlite3.IntegrityError):
            return None
        if rows.count >= _MANY and self._is_postgresql:  # unless a vacuum of the table is at work, which is long
            self._connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {table.name}")
        is_consistent = self._are_pages_consistent()  # of what was read: a late page is seen by one or by both
        new = all_new(sa.select(table).where(table.c.location_id == here).subquery())
        return replace(self._new(rows.count, new, is_consistent=is_consistent), proof_digest=join_digests(rows.digests))

    def _compare_fingerprints(self, judge: Judge) -> Findings | None:
        """Change the mirror by the records that are unlike; None where that does not prove everything."""
        if not self._is_full or not self._is_keyed or not self._is_postgresql:
            return None
        with _afterwards() as drops:
            read = Fingerprints(self._connection, self._mirror, self._stream.location_id)
            drops.append(read.drop)
            if not read.fill(self._crawl) or not self._are_pages_consistent() or not self._is_counted(read.count):
                return None
            new, gone = read.compare()
            limit_memory(self._connection, _WORK_MEMORY)
            if new > _MOST_UNLIKE or read.count - new != self._before() - gone:  # a record was shown twice
                return None
            found = self._change_unlike(read, (new, gone), judge, drops) if new or gone else self._unchanged()
            return found and replace(found, proof_digest=join_digests(read.digests))

    def _change_unlike(
        self, read: Fingerprints, unlike: tuple[int, int], judge: Judge, drops: Drops
    ) -> Findings | None:
        """Change the mirror by what is unlike; return None unless that is each new record and each row that is gone."""
        places = read.places()
        drops.append(self._stage.drop)
        self._stage.fill(self._crawl, places)
        self._stage.unify()
        if self._stage.repeated or self._stage.digests != {page: read.digests[page] for page in places}:
            return None  # a record is shown with two contents, or a late page has taken the place of another
        difference = Difference(self._connection, self._mirror, self._stream.location_id)
        drops.append(difference.drop)
        difference.compare_unlike()
        counts = difference.counts()
        inserted, updated, deleted = (counts.get(op, 0) for op in ("insert", "update", "delete"))
        if (inserted + updated, updated + deleted) != unlike:
            return None
        return self._apply(difference, judge, is_consistent=True)

    def _compare(self, judge: Judge) -> Findings:
        """Change the mirror by all records, compared one by one."""
        stage = self._stage
        limit_memory(self._connection, _WORK_MEMORY)
        with _afterwards() as drops:
            drops.append(stage.drop)
            stage.fill(self._crawl)
            is_consistent = self._are_pages_consistent()  # of what was staged: a late page is seen by one or by both
            stage.unify()
            is_consistent = is_consistent and not stage.repeated
            if self._is_full:
                is_consistent = is_consistent and self._is_counted(self._staged())
            retired = 0
            if self._mirror.is_counted and not (is_consistent and self._is_full):
                # Retired users have no key: only a consistent full crawl can count them.
                retired = stage.drop_retired()
            if self._is_first():
                found = self._insert_all(is_consistent=is_consistent)
            else:
                difference = Difference(self._connection, self._mirror, self._stream.location_id)
                drops.append(difference.drop)
                difference.compare(stage, self._complete(is_consistent=is_consistent))
                found = self._apply(difference, judge, is_consistent=is_consistent)
            if self._is_full and self._is_keyed and self._is_postgresql:
                adopt_fingerprints(self._connection, self._mirror, self._stream.location_id, stage.table)
            return replace(found, retired=retired, proof_digest=join_digests(stage.digests))

    def _insert_all(self, *, is_consistent: bool) -> Findings:
        """Fill an empty mirror from the stage."""
        new, count = all_new(self._stage.table), self._staged()
        insert_new(self._connection, self._mirror, self._stream.location_id, new)
        return self._new(count, new, is_consistent=is_consistent)

    def _new(self, count: int, new: sa.FromClause, *, is_consistent: bool) -> Findings:
        """Write the feed of a mirror that was empty."""
        self._write(new, count)
        records = count if self._is_keyed else self._count()
        return Findings(is_consistent=is_consistent, changes=Changes(inserted=count), records=records)

    def _apply(self, difference: Difference, judge: Judge, *, is_consistent: bool) -> Findings:
        """Change the mirror by a difference, but for deletes that are held, and write the feed."""
        verdict, held = self._judge(difference, judge)
        counts = difference.counts()
        apply_difference(self._connection, self._mirror, self._stream.location_id, difference.table)
        self._write(difference.table, sum(counts.values()))
        changes = Changes(
            inserted=counts.get("insert", 0), updated=counts.get("update", 0), deleted=counts.get("delete", 0)
        )
        records = self._records(changes)
        return Findings(is_consistent=is_consistent, changes=changes, records=records, held=held, digest=verdict.digest)

    def _write(self, difference: sa.FromClause, count: int) -> None:
        """Write down what was changed: the days of assets, and last the feed."""
        now = self._clock.now()
        if count and self._mirror.resource.name == COUNTED:
            note_days(self._connection, self._stream.location_id, difference, now)
        write_feed(self._connection, self._mirror, self._crawl, difference, count, now)

    @property
    def _is_postgresql(self) -> bool:
        return self._connection.dialect.name == "postgresql"

    @property
    def _is_keyed(self) -> bool:
        return not self._mirror.is_counted

    def _is_counted(self, read: int) -> bool:
        """Return whether as many records were read as the legacy service counts, or nobody counts any."""
        if self._mirror.resource.paging is not Paging.BATCH:
            return True
        counted = counted_in_all(self._connection, self._crawl)
        return counted is None or counted == read

    def _staged(self) -> int:
        return self._connection.scalar(sa.select(sa.func.count()).select_from(self._stage.table)) or 0

    def _is_first(self) -> bool:
        here = self._mirror.table.c.location_id == self._stream.location_id
        return not self._connection.scalar(sa.select(sa.exists().where(here)))

    def _complete(self, *, is_consistent: bool) -> Any:
        """Return the condition for rows of the mirror that are gone if they were not read; None if none are."""
        if not is_consistent or self._crawl.kind is CrawlKind.DELTA:
            return None
        if self._is_full:
            return sa.true()
        table = self._mirror.table
        assets = [(scope.adam_id, scope.pricing_param) for scope in self._crawl.scopes if scope.is_consistent]
        return sa.tuple_(table.c.adam_id, table.c.pricing_param).in_(assets)

    def _judge(self, difference: Difference, judge: Judge) -> tuple[Verdict, int]:
        """Judge the deletes, and take them out of the difference if they are held."""
        count = difference.lost()
        if not count:
            return Verdict(may_delete=True), 0
        before = self._before()
        remaining = before + difference.counts().get("insert", 0) - count
        deletes = Deletes(count=count, records=before, remaining=remaining, digest=difference.digest)
        verdict = judge(deletes, self._stream, self._crawl.opened_at)
        if verdict.may_delete:
            return verdict, 0
        difference.hold()
        return verdict, count

    def _note(self, found: Findings) -> None:
        now = self._clock.now()
        after = stream_after(self._crawl, self._stream, found, now)
        names = [field.name for field in fields(Stream)]
        changed = {name: getattr(after, name) for name in names if getattr(after, name) != getattr(self._stream, name)}
        _UPDATE_STREAM.run(self._connection, {"of": self._stream.id} | changed)
        if after.proof_id == self._crawl.id:
            complete(self._connection, self._crawl)
        if self._crawl.kind is CrawlKind.SPOT:
            note_looks(self._connection, self._crawl, now)
        elif self._crawl.forced_by is Reason.COUNTS:
            note_full_look(self._connection, self._crawl.location_id, now)
        values: dict[str, Any] = {field.name: getattr(found.changes, field.name) for field in fields(Changes)}
        values |= {"is_consistent": found.is_consistent, "moved_at": now, "ended_at": now}
        _UPDATE_CRAWL.run(self._connection, {"of": self._crawl.id} | values)

    def _records(self, changes: Changes) -> int:
        """Return how many records the mirror holds now; those of an earlier life have not been counted yet."""
        if self._mirror.is_counted or self._stream.published_at is None:
            return self._count()
        return self._stream.records + changes.inserted - changes.deleted

    def _before(self) -> int:
        """Return how many records the mirror held before; a new stream may find those of an earlier life."""
        return self._count() if self._stream.published_at is None else self._stream.records

    def _count(self) -> int:
        table = self._mirror.table
        number = sa.func.coalesce(sa.func.sum(table.c.copies), 0) if self._mirror.is_counted else sa.func.count()
        mine = table.c.location_id == self._stream.location_id
        return int(self._connection.scalar(sa.select(number).select_from(table).where(mine)) or 0)


@contextmanager
def _afterwards() -> Iterator[Drops]:
    """Yield the list of the tables to drop at the end; after an error the transaction is over, and they with it."""
    drops: Drops = []
    yield drops
    for drop in reversed(drops):
        drop()


#: Frequent statements are built once; parameters that are named like columns are their new values.
_IS_LOCKED = sa.func.pg_try_advisory_xact_lock(sa.bindparam("of", type_=sa.BigInteger))
_LOCK = Prepared(sa.select(_IS_LOCKED))
_PUBLISH = Prepared(moving(PUBLISH, crawls.c.id == sa.bindparam("of")))
_UPDATE_CRAWL = Prepared(sa.update(crawls).where(crawls.c.id == sa.bindparam("of")))
_UPDATE_STREAM = Prepared(sa.update(streams).where(streams.c.id == sa.bindparam("of")))
