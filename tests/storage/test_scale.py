"""Twenty thousand locations: what the scheduler asks all the time is found by an index, and a sweep has no ceiling."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from storage.database import Database
from storage.ledger.streams import due_locations
from storage.ledger.syncs import SWEPT_AT_ONCE, Syncs
from storage.limits import allow
from storage.mirror.feed import Feed, Sieve
from storage.reports import Choice, selection
from storage.schema import changes, crawls
from storage.views import VIEWS
from tests.support.servers import drop_database, make_database

LOCATIONS = 20_000

_FILL = (
    (
        "INSERT INTO locations (name, uid, token_expires, added_at) "
        f"SELECT 'n' || i, i::text, now() + interval '1 year', now() FROM generate_series(1, {LOCATIONS}) i"
    ),
    (
        "INSERT INTO streams (location_id, resource, due_at) SELECT l.id, r, now() + interval '10 minutes' "
        "FROM locations l, unnest(array['assets', 'assignments', 'users', 'licenses', 'subscriptions', 'x']) r"
    ),
    (
        "INSERT INTO syncs (location_id, wanted, state, opened_at, ended_at) "
        "SELECT id, '[]', 'ended', now(), now() FROM locations"
    ),
    (
        "INSERT INTO crawls (sync_id, stream_id, state, kind, opened_at, moved_at, ended_at) "
        "SELECT y.id, s.id, 'unchanged', 'full', t, t, t FROM generate_series(1, 2) n, streams s "
        "JOIN syncs y USING (location_id), LATERAL (SELECT now() - (6 - n) * interval '1 day' AS t) q"
    ),
    (
        "INSERT INTO changes (seq, at, location_id, resource, op, crawl_id) "
        f"SELECT i, now(), mod(i, {LOCATIONS}) + 1, 'assets', 'insert', 1 FROM generate_series(1, 100000) i"
    ),
)


@pytest.fixture(scope="module")
def big(postgresql_url, template):
    """A database of many locations."""
    database = Database(make_database(postgresql_url, "big", template))
    with database.write(600.0) as connection:
        allow(connection, 300.0)
        for statement in _FILL:
            connection.exec_driver_sql(statement)
    with database.once() as connection:
        connection.exec_driver_sql("ANALYZE")
    yield database
    database.close()
    drop_database(postgresql_url, "big")


def explain(database: Database, query: sa.Select[Any]) -> str:
    """Return the plan of a query."""
    with database.read() as connection:
        text = query.compile(connection, compile_kwargs={"literal_binds": True})
        return "\n".join(connection.exec_driver_sql(f"EXPLAIN {text}").scalars())


def test_what_is_due_is_found_by_index(big):
    """Where nothing is due, the scheduler's question looks at no stream at all."""
    plan = explain(big, due_locations(big.now(), 500))
    assert "Seq Scan on streams" not in plan
    assert "streams_due_at_index" in plan


def test_the_feed_of_one_location_is_found_by_index(big):
    """The changes of one location are found without looking at all the others'."""
    mine = sa.select(changes.c.seq).where((changes.c.location_id == 7) & (changes.c.seq > 10))
    plan = explain(big, mine.order_by(changes.c.seq).limit(1000))
    assert "changes_location_id_index" in plan
    assert len(list(Feed(big).after(0, Sieve(uids=["7"])))) == 5


def test_the_newest_changes_are_found_by_index(big):
    """The report of what changed reads the newest changes from the end of the feed, and does not sort it."""
    plan = explain(big, selection(VIEWS["recent_changes"], Choice(limit=200)))
    assert "Index Scan Backward using changes_pkey" in plan
    assert "Sort" not in plan


def test_a_sweep_has_no_ceiling(big):
    """A sweep goes on until nothing old is left, however much there is, and keeps the last crawl of each stream."""
    syncs, turns = Syncs(big), 1
    while syncs.sweep():
        turns += 1
    assert turns > LOCATIONS * 6 / SWEPT_AT_ONCE
    with big.read() as connection:
        left = connection.execute(sa.select(sa.func.count(), sa.func.count(sa.distinct(crawls.c.stream_id))))
        assert left.one() == (LOCATIONS * 6, LOCATIONS * 6)


def test_the_feed_is_pruned_where_somebody_says_so(big):
    """Old changes go in as many steps as it takes, and the feed knows how far."""
    feed = Feed(big)
    with big.write() as connection:
        old = sa.update(changes).where(changes.c.seq <= 50_000).values(at=big.now() - timedelta(days=100))
        connection.execute(old)
    while feed.prune(timedelta(days=90)):
        continue
    assert (feed.extent().pruned, next(feed.after(0)).seq) == (50_000, 50_001)
