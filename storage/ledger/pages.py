"""Pages: the ledger of a crawl, and its staging area. A stored page is not requested again in its round."""

import hashlib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from apple.records import Records
from apple.resources import RESOURCES, Paging
from apple.tokens import Token

from ..database import Database
from ..identity import digest_records, encode_records, fingerprints
from ..locations import LOCATION, Location, make_location
from ..prepared import Prepared
from ..schema import crawls, locations, pages, streams
from ..sealer import Sealer
from ..sql import insert_or, own_columns, pick
from ..states import UNFINISHED, CrawlKind, PageOutcome
from .crawls import CRAWL, Crawl, make_crawl

#: Pages of ended crawls are kept this long, so that a person can see what Apple answered.
PAGES_KEPT = timedelta(days=1)

#: Indexes in the ledger of a legacy crawl for requests that are repeated: the first batch after all others, a delta,
#: the first batch right after the last batch, and the last batch after that.
AGAIN = -1
CHECK = -2
BASE = -3
END = -4

#: No list is as long: the end of one whose number of pages is not known.
_NO_END = 2**31 - 1

_BODIES_AT_ONCE = 32

#: A sweep deletes this many at a time: each is some tens of kilobytes.
_SWEPT_AT_ONCE = 2_000


@dataclass(frozen=True, kw_only=True)
class PageFact:
    """What a decision needs to know of a page: everything but its body."""

    index: int
    round: int
    outcome: PageOutcome
    version: str | None = None
    total: int | None = None
    next_index: int | None = None
    #: How many records Apple says the page has, and how many it has.
    size: int | None = None
    records: int | None = None
    attempts: int = 0
    reason: str | None = None
    error: str | None = None
    #: When the first of its failed attempts was made.
    trying_since: datetime | None = None

    @property
    def is_last(self) -> bool:
        """Whether Apple says that no page follows."""
        return self.next_index is None


@dataclass(frozen=True, kw_only=True)
class PageSight:
    """A page as a person sees it who watches a crawl."""

    index: int
    round: int
    outcome: PageOutcome
    attempts: int
    records: int | None
    #: How many pages Apple said that there are, and of which version it is.
    total: int | None
    version: str | None
    reason: str | None
    #: When the last answer was in, or the last attempt had failed, and how long that took.
    fetched_at: datetime
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Content:
    """The content of an answer."""

    #: Compressed, otherwise as it came; None where the proof has a page of the same records.
    body: bytes | None = None
    #: Identifies the records, and the crawl that is the stream's proof if its page has the same.
    digest: bytes | None = None
    same_as: int | None = None
    #: One a record; None where the proof has them, and where nothing will be compared by them.
    fingerprints: Sequence[int] | None = None
    #: What the request for the next page must carry, if that is not a page number.
    cursor: str | None = field(default=None, repr=False)
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class PageJob:
    """One page to fetch: of which crawl and location, with which token, and what is known of the page."""

    crawl: Crawl
    location: Location
    #: None if the location is no longer watched.
    token: Token | None
    #: None if nothing is known of it yet.
    page: PageFact | None
    #: The stream's proof, and the digest of its page of this index; None if it has no such page.
    proof_id: int | None = None
    proof_digest: bytes | None = None
    #: Whether a publish may compare the page by fingerprints.
    has_fingerprints: bool = False

    def content(self, records: Records, body: bytes) -> "Content":
        """Return what to store of an answer: not its body again, if the proof has a page of the same records."""
        if self.crawl.kind is not CrawlKind.FULL:
            return Content(body=body)
        digest = digest_records(records)
        if digest == self.proof_digest:
            return Content(digest=digest, same_as=self.proof_id)
        marked = fingerprints(encode_records(records)) if self.has_fingerprints else None
        return Content(body=body, digest=digest, fingerprints=marked)


class Pages:
    """The pages of a database."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def job(self, crawl_id: int, index: int) -> PageJob:
        """Return everything that fetching a page needs, by one statement."""
        [row] = self._database.fetch(_JOB, {"crawl": crawl_id, "place": index})
        location, sealed, crawl = make_location(row), row[locations.c.sealed_token], make_crawl(row)
        is_compared = bool(RESOURCES[crawl.resource].key) and index not in {CHECK, BASE}
        return PageJob(
            crawl=crawl,
            location=location,
            token=None if sealed is None else location.token(self._sealer.open(sealed)),
            page=None if row[pages.c.index] is None else make_fact(row),
            proof_id=row[streams.c.proof_id],
            proof_digest=row[_PROOF.c.digest],
            has_fingerprints=is_compared and self._database.is_postgresql,
        )

    def store(self, crawl_id: int, fact: PageFact, content: Content | None = None) -> bool:
        """Store the outcome of a page; return False if that changed nothing.

        Only a page of a lower round is replaced, or one of the same round that was not stored. So a task that runs
        twice stores once, and a late duplicate never undoes a re-read: then the result is False.
        """
        values = {name: getattr(fact, name) for name in PageFact.__dataclass_fields__}
        content = content or Content()
        values |= vars(content)
        values |= {"crawl_id": crawl_id, "fetched_at": self._database.now()}
        return bool(self._database.fetch(_STORE, values))

    def find(self, crawl_id: int, index: int) -> PageFact | None:
        """Return what is known of one page; None if nothing is."""
        rows = self._database.fetch(_FACT_AT, {"crawl": crawl_id, "place": index})
        return make_fact(rows[0]) if rows else None

    def cursor(self, crawl_id: int, index: int) -> str | None:
        """Return what the request after a page must carry; None if nothing."""
        rows = self._database.fetch(_CURSOR, {"crawl": crawl_id, "place": index})
        return rows[0][pages.c.cursor] if rows else None

    def facts(self, crawl_id: int, floor: int = 0) -> list[PageFact]:
        """Return what is known of the pages of a crawl, from the round of its last start on."""
        return [make_fact(row) for row in self._database.fetch(_FACTS, {"crawl": crawl_id, "floor": floor})]

    def moved_at(self, crawl_id: int) -> datetime | None:
        """Return when a page was last stored, failed attempts included; None if none was."""
        [row] = self._database.fetch(_MOVED_AT, {"crawl": crawl_id})
        moved_at: datetime | None = row[_LAST]
        return moved_at

    def sights(self, crawl_id: int) -> list[PageSight]:
        """Return the pages of a crawl as a person sees them, in their order."""
        rows = sa.select(*_SIGHT.values()).where(pages.c.crawl_id == crawl_id).order_by(pages.c.index)
        with self._database.once() as connection:
            found = [pick(row, _SIGHT) for row in connection.execute(rows)]
        return [PageSight(**one | {"outcome": PageOutcome(one["outcome"])}) for one in found]

    def sweep(self, kept: timedelta) -> bool:
        """Delete some pages of crawls that ended longer ago than `kept`; return whether there may be more."""
        is_proof = sa.exists().where(streams.c.proof_id == crawls.c.id)
        is_old = crawls.c.state.not_in(UNFINISHED) & (crawls.c.ended_at < self._database.now() - kept) & ~is_proof
        place = (pages.c.crawl_id, pages.c.index)
        some = sa.select(*place).join(crawls, crawls.c.id == pages.c.crawl_id).where(is_old).limit(_SWEPT_AT_ONCE)
        with self._database.write() as connection:
            swept = connection.execute(sa.delete(pages).where(sa.tuple_(*place).in_(some))).rowcount
        return swept == _SWEPT_AT_ONCE


class LostBody(Exception):
    """The body of a page is neither with it nor with the proof's page: its crawl is of no use."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """The body of a stored page, and what identifies its records, if anything does."""

    index: int
    packed: bytes
    digest: bytes | None


def bodies(connection: sa.Connection, crawl: Crawl, wanted: Container[int] | None = None) -> Iterator[list[Body]]:
    """Yield the bodies that count, or those of the wanted pages, in the order in which they were fetched."""
    counted = (row[pages.c.index] for row in _COUNTED.run(connection, _limits(crawl)))
    indexes = [index for index in counted if crawl.has_place(index)]
    if wanted is not None:
        indexes = [index for index in indexes if index in wanted]
    for start in range(0, len(indexes), _BODIES_AT_ONCE):
        some = indexes[start : start + _BODIES_AT_ONCE]
        rows = connection.execute(_BODIES, {"crawl": crawl.id, "some": some})
        found = {index: Body(index=index, packed=packed, digest=digest) for index, digest, packed in rows}
        if lost := [index for index, one in found.items() if one.packed is None]:
            raise LostBody(f"(crawl {crawl.id}, pages {lost})")
        yield [found[index] for index in some]


def marks(crawl: Crawl) -> tuple[sa.Select[Any], dict[str, Any]]:
    """Return the statement for the digest and the fingerprints of each page that counts, and its parameters."""
    return _MARKS, _limits(crawl)


def digest_all(connection: sa.Connection, crawl: Crawl) -> bytes | None:
    """Return what identifies the records of all pages of a crawl that count; None if those of a page are not."""
    found = _DIGESTS.run(connection, _limits(crawl))
    return join_digests({row[pages.c.index]: row[pages.c.digest] for row in found})


def join_digests(of_pages: Mapping[int, bytes | None]) -> bytes | None:
    """Return what identifies pages by their indexes, from what identifies each; None if one is not identified."""
    digest = hashlib.blake2b(digest_size=16)
    for index, one in sorted(of_pages.items()):
        if one is None:
            return None
        digest.update(index.to_bytes(8, signed=True) + one)
    return digest.digest()


def complete(connection: sa.Connection, crawl: Crawl) -> None:
    """Store with a crawl's pages what only the proof has of them: the crawl is to be the proof."""
    _COMPLETE.run(connection, {"crawl": crawl.id})


def counted_in_all(connection: sa.Connection, crawl: Crawl) -> int | None:
    """Return the number of all records that the legacy service named at the end; None if it named none."""
    row = connection.execute(_SIZES_AT, {"crawl": crawl.id, "place": AGAIN}).one_or_none()
    # If it names none, the size is that of the batch alone.
    return None if row is None or row.size == row.records else row.size


def is_consistent(connection: sa.Connection, crawl: Crawl) -> bool:
    """Return whether all pages that count have one version and total: one may have come since the crawl settled."""
    seen = _limits(crawl) | {"seen_total": crawl.total}
    if RESOURCES[crawl.resource].paging is Paging.BATCH:
        return not _MOVED_BATCH.run(connection, seen)
    return not _MOVED_PAGE.run(connection, seen | {"seen_version": crawl.version})


def _limits(crawl: Crawl) -> dict[str, Any]:
    """Return the limits of the pages that count: of the last start, within the total, and no mere check."""
    least, apart = 0, set[int]()
    if RESOURCES[crawl.resource].paging is Paging.BATCH and (crawl.total or 0) > 1:
        # The first answer is older than the token to go on from, and the last batch than the count of all; asked for
        # again, they are what they are then. Torn, each of the two may hold what slipped past the other.
        least = END
        apart = {CHECK, BASE}  # pages that were requested only to be compared
        if crawl.is_consistent:
            apart |= {0, (crawl.total or 0) - 1}
    end = _NO_END if crawl.total is None else crawl.total
    return {"crawl": crawl.id, "floor": crawl.floor, "least": least, "end": end, "apart": sorted(apart)}


_SIGHT = own_columns(PageSight, pages)

#: Which column each field of a fact comes from.
FACT = own_columns(PageFact, pages)


def make_fact(row: Any) -> PageFact:
    """Build a fact from a row that has the columns of `FACT`."""
    values = pick(row, FACT)
    return PageFact(**values | {"outcome": PageOutcome(values["outcome"])})


# The statements of each page are built once: building one costs more than executing it.
#: The page of the same index in the proof, which has its body.
_PROOF = pages.alias("proof")
_HERE = pages.c.crawl_id == sa.bindparam("crawl")
_FACT_AT = Prepared(sa.select(*FACT.values()).where(_HERE & (pages.c.index == sa.bindparam("place"))))
_CURSOR = Prepared(sa.select(pages.c.cursor).where(_HERE & (pages.c.index == sa.bindparam("place"))))
_FACTS = Prepared(
    sa.select(*FACT.values()).where(_HERE & (pages.c.round >= sa.bindparam("floor"))).order_by(pages.c.index)
)
_LAST = sa.func.max(pages.c.fetched_at)
_MOVED_AT = Prepared(sa.select(_LAST).where(_HERE))
_SIZES_AT = sa.select(pages.c.size, pages.c.records).where(_HERE & (pages.c.index == sa.bindparam("place")))
_IS_SAME = sa.and_(
    _PROOF.c.crawl_id == pages.c.same_as,
    _PROOF.c.index == pages.c.index,
    _PROOF.c.digest == pages.c.digest,  # a late answer may have taken its place meanwhile
)
_BODIES = (
    sa.select(pages.c.index, pages.c.digest, sa.func.coalesce(pages.c.body, _PROOF.c.body).label("body"))
    .outerjoin(_PROOF, _IS_SAME)
    .where(_HERE & pages.c.index.in_(sa.bindparam("some", expanding=True)))
)
_IS_COUNTED = sa.and_(
    _HERE,
    pages.c.outcome == PageOutcome.STORED,
    pages.c.round >= sa.bindparam("floor"),
    pages.c.index >= sa.bindparam("least"),
    pages.c.index < sa.bindparam("end"),
    pages.c.index.not_in(sa.bindparam("apart", expanding=True)),
)
_IN_ORDER = sa.select(pages.c.index).where(_IS_COUNTED).order_by(pages.c.round, pages.c.fetched_at, pages.c.index)
_COUNTED = Prepared(_IN_ORDER, lists=("apart",))
_MARKS = (
    sa.select(pages.c.index, pages.c.digest, sa.func.coalesce(pages.c.fingerprints, _PROOF.c.fingerprints))
    .outerjoin(_PROOF, _IS_SAME)
    .where(_IS_COUNTED)
)
_DIGESTS = Prepared(sa.select(pages.c.index, pages.c.digest).where(_IS_COUNTED), lists=("apart",))
_COMPLETE = Prepared(
    sa.update(pages)
    .where(_HERE & pages.c.same_as.is_not(None))
    .values({name: sa.select(_PROOF.c[name]).where(_IS_SAME).scalar_subquery() for name in ("body", "fingerprints")})
    .values(same_as=None)
)
_HAS_OTHER_TOTAL = pages.c.total.is_not(None) & pages.c.total.is_distinct_from(sa.bindparam("seen_total"))
_HAS_OTHER_VERSION = pages.c.version.is_distinct_from(sa.bindparam("seen_version"))
_ANY = sa.select(pages.c.index).limit(1)
_MOVED_BATCH = Prepared(_ANY.where(_IS_COUNTED & _HAS_OTHER_TOTAL), lists=("apart",))
_MOVED_PAGE = Prepared(_ANY.where(_IS_COUNTED & (_HAS_OTHER_TOTAL | _HAS_OTHER_VERSION)), lists=("apart",))
_JOB = Prepared(
    sa.select(
        *CRAWL.values(),
        *LOCATION.values(),
        *FACT.values(),
        locations.c.sealed_token,
        streams.c.proof_id,
        _PROOF.c.digest,
    )
    .join(streams, streams.c.id == crawls.c.stream_id)
    .join(locations, locations.c.id == streams.c.location_id)
    .outerjoin(pages, (pages.c.crawl_id == crawls.c.id) & (pages.c.index == sa.bindparam("place")))
    .outerjoin(_PROOF, (_PROOF.c.crawl_id == streams.c.proof_id) & (_PROOF.c.index == sa.bindparam("place")))
    .where(crawls.c.id == sa.bindparam("crawl"))
)


def _storing(dialect: str) -> Any:
    """Return the statement that stores a page: over one of a lower round, or one that was not stored."""
    statement = insert_or(dialect, pages).values({column.name: sa.bindparam(column.name) for column in pages.c})
    new = statement.excluded
    is_older = (pages.c.round < new.round) | ((pages.c.round == new.round) & (pages.c.outcome != PageOutcome.STORED))
    return statement.on_conflict_do_update(
        index_elements=[pages.c.crawl_id, pages.c.index],
        set_={column.name: new[column.name] for column in pages.c if column.name not in {"crawl_id", "index"}},
        where=is_older,
    ).returning(pages.c.index)


_STORE = Prepared(_storing)
