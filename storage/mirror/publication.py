"""Publish: compare what a crawl read with the mirror, and apply the difference, its feed and its version as one."""

from dataclasses import dataclass, fields, replace
from typing import Any

import sqlalchemy as sa

from apple.resources import Paging

from ..clock import Clock
from ..database import Database
from ..ledger.crawls import PUBLISH, Crawl, moving
from ..ledger.pages import complete, counted_in_all, digest_all, is_consistent, join_digests
from ..ledger.streams import Stream, lock_stream
from ..limits import allow
from ..schema import crawls, streams
from ..states import CrawlKind, Reason
from .counts import note_full_look, note_looks
from .difference import Difference, apply_difference, insert_new
from .feed import write_feed
from .hold import Deletes, Judge, Verdict, judge_deletes
from .outcome import Changes, Findings, stream_after
from .stage import Stage, all_new
from .tables import MIRRORS, Mirror

#: A statement of a publish may take this long, and more for each page. Two million records take some seconds.
_LEAST_SECONDS = 60.0
_SECONDS_A_PAGE = 0.2

#: The joins of a publish fit into this; PostgreSQL's default sends them to disk.
_WORK_MEMORY = "64MB"


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
    if connection.dialect.name == "postgresql":
        # A publish that takes longer than its message is delivered again: the second leaves, it never waits.
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(crawl.stream_id))):
            return False
        connection.execute(sa.text(f"SET LOCAL work_mem = '{_WORK_MEMORY}'"))
    return connection.execute(_PUBLISH, {"of": crawl.id}).one_or_none() is not None


class _Publication:
    """One publish, inside its transaction.

    `run` reads from top to bottom: stage the pages, unless they are the very ones that the mirror was made of; decide
    how much they prove, change the mirror and write the feed, note the outcome. How much they prove is the point: only
    pages that are all of one version, that show no record twice, and that have as many records as Apple counts may
    delete what they do not show, or move a version.
    """

    def __init__(self, connection: sa.Connection, crawl: Crawl, stream: Stream, clock: Clock) -> None:
        self._connection = connection
        self._crawl = crawl
        self._stream = stream
        self._clock = clock
        self._mirror: Mirror = MIRRORS[crawl.resource]
        self._stage = Stage(connection, self._mirror)

    def run(self, judge: Judge) -> Published:
        if self._is_proved():
            found, digest = self._unchanged(is_proved=True), self._stream.proof_digest
        else:
            self._stage.fill(self._crawl)
            is_consistent = self._are_pages_consistent()  # of what was staged: a late page is seen by one or by both
            if is_consistent and self._is_full and self._is_same():
                found = self._unchanged(is_proved=False)
            else:
                found = self._compare(judge, is_consistent=is_consistent)
            digest = join_digests(self._stage.digests)
            self._stage.drop()
        self._note(replace(found, proof_digest=digest))
        return Published(changes=found.changes, held=found.held)

    def _is_proved(self) -> bool:
        """Return whether a full crawl has the very pages that the mirror was made of, so that nothing is compared."""
        known = self._stream.proof_digest
        if not self._is_full or known is None or digest_all(self._connection, self._crawl) != known:
            return False
        if not self._are_pages_consistent():
            return False
        # The legacy service may count a record that no batch showed.
        return self._mirror.resource.paging is not Paging.BATCH or self._is_counted(self._stream.records)

    def _unchanged(self, *, is_proved: bool) -> Findings:
        nothing = Changes()
        return Findings(is_consistent=True, changes=nothing, records=self._records(nothing), is_proved=is_proved)

    @property
    def _is_full(self) -> bool:
        return self._crawl.kind is CrawlKind.FULL

    def _are_pages_consistent(self) -> bool:
        if not self._crawl.is_consistent:
            return False
        return self._crawl.kind is CrawlKind.SPOT or is_consistent(self._connection, self._crawl)

    def _compare(self, judge: Judge, *, is_consistent: bool) -> Findings:
        self._stage.unify()
        is_consistent = is_consistent and not self._stage.repeated
        if self._is_full and self._mirror.resource.paging is Paging.BATCH:
            is_consistent = is_consistent and self._is_counted(self._staged())
        retired = 0
        if self._mirror.is_counted and not (is_consistent and self._is_full):
            # Retired users have no key: only a consistent full crawl can count them.
            retired = self._stage.drop_retired()
        if self._is_first():
            changes, verdict, held = self._load(), Verdict(may_delete=True), 0
        else:
            changes, verdict, held = self._change(judge, is_consistent=is_consistent)
        return Findings(
            is_consistent=is_consistent,
            changes=changes,
            records=self._records(changes),
            held=held,
            digest=verdict.digest,
            retired=retired,
        )

    def _is_counted(self, read: int) -> bool:
        """Return whether as many records were read as the legacy service counts, or it counts none."""
        counted = counted_in_all(self._connection, self._crawl)
        return counted is None or counted == read

    def _staged(self) -> int:
        return self._connection.scalar(sa.select(sa.func.count()).select_from(self._stage.table)) or 0

    def _is_same(self) -> bool:
        """Return whether the mirror holds exactly what was read, by two sums over 64-bit hashes of the records.

        A sum does not depend on the order, and it differs if one record came twice in the place of another. It saves
        the comparison if nothing changed, which is a third of the time.
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

    def _load(self) -> Changes:
        """Fill an empty mirror: everything is new, and there is nothing to compare it with."""
        new = all_new(self._stage.table)
        insert_new(self._connection, self._mirror, self._stream.location_id, new)
        count = self._staged()
        write_feed(self._connection, self._mirror, self._crawl, new, count, self._clock.now())
        return Changes(inserted=count)

    def _change(self, judge: Judge, *, is_consistent: bool) -> tuple[Changes, Verdict, int]:
        """Change a mirror that holds something; return the changes, the verdict on deletes, and how many are held."""
        difference = Difference(self._connection, self._mirror, self._stream.location_id)
        difference.compare(self._stage, self._complete(is_consistent=is_consistent))
        verdict, held = self._judge(difference, judge)
        counts = difference.counts()
        apply_difference(self._connection, self._mirror, self._stream.location_id, difference.table)
        now = self._clock.now()
        write_feed(self._connection, self._mirror, self._crawl, difference.table, sum(counts.values()), now)
        difference.drop()
        changes = Changes(
            inserted=counts.get("insert", 0), updated=counts.get("update", 0), deleted=counts.get("delete", 0)
        )
        return changes, verdict, held

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
        self._connection.execute(_UPDATE_STREAM, {"of": self._stream.id} | changed)
        if after.proof_id == self._crawl.id:
            complete(self._connection, self._crawl)
        if self._crawl.kind is CrawlKind.SPOT:
            note_looks(self._connection, self._crawl, now)
        elif self._crawl.forced_by is Reason.COUNTS:
            note_full_look(self._connection, self._crawl.location_id, now)
        values: dict[str, Any] = {field.name: getattr(found.changes, field.name) for field in fields(Changes)}
        values |= {"is_consistent": found.is_consistent, "moved_at": now, "ended_at": now}
        self._connection.execute(_UPDATE_CRAWL, {"of": self._crawl.id} | values)

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


def _sums(record: Any) -> Any:
    hashes = (sa.func.hashtextextended(record, seed) for seed in (0, 1))
    return sa.select(sa.func.count(), *(sa.func.sum(one) for one in hashes))


#: Frequent statements are built once; parameters that are named like columns are their new values.
_PUBLISH = moving(PUBLISH, crawls.c.id == sa.bindparam("of"))
_UPDATE_CRAWL = sa.update(crawls).where(crawls.c.id == sa.bindparam("of"))
_UPDATE_STREAM = sa.update(streams).where(streams.c.id == sa.bindparam("of"))
