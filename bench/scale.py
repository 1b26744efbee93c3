"""What many locations cost one PostgreSQL: the scheduler's questions, a sweep, the feed, and what `status` reads.

The database is filled by SQL: locations with six streams each, two crawls a stream, 100 assignments a location, and a
feed of a million changes. Then each is timed by itself, five times; what is printed are medians. No worker runs.

usage: python bench/scale.py [LOCATIONS]
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from entrypoints.overview import look, look_closely
from settings import read_settings
from storage.database import Database
from storage.limits import allow
from storage.mirror.feed import Sieve
from storage.sealer import make_key
from tasks.services import Services, build
from tests.support.servers import make_database, postgresql_server, redis_server

ASSIGNMENTS = 100
CHANGES = 1_000_000
AT_ONCE = 500

_FILL = (
    (
        "INSERT INTO locations (name, uid, token_expires, added_at, asked_at, ask_due_at) "
        "SELECT 'location ' || i, i::text, now() + interval '1 year', now(), now(), now() + interval '1 day' "
        "FROM generate_series(1, {locations}) i"
    ),
    (
        "INSERT INTO streams (location_id, resource, due_at, published_at, seen_at, full_at, records) "
        "SELECT l.id, r, now() + interval '10 minutes', now(), now(), now(), {assignments} FROM locations l, "
        "unnest(array['assets', 'assignments', 'users', 'licenses', 'subscriptions', 'legacy-users']) r"
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
        "INSERT INTO mirror_assignments (location_id, serial_number, client_user_id, adam_id, pricing_param, record) "
        "SELECT l.id, 'C' || l.id || '-' || i, '', (361285480 + mod(i, 60))::text, 'STDQ', '{{}}' "
        "FROM locations l, generate_series(1, {assignments}) i"
    ),
    (
        "INSERT INTO changes (seq, at, location_id, resource, op, after, crawl_id) "
        "SELECT i, now(), mod(i, {locations}) + 1, 'assignments', 'insert', '{{\"adamId\": \"1\"}}', 1 "
        "FROM generate_series(1, {changes}) i"
    ),
    "UPDATE feed SET seq = {changes}",
)


def main(count: int) -> None:
    """Measure so many locations."""
    with tempfile.TemporaryDirectory() as home, redis_server() as redis, postgresql_server(is_durable=True) as server:
        os.environ |= {
            "PAGETURNER_HOME": home,
            "PAGETURNER_REDIS_URL": redis,
            "PAGETURNER_DATABASE_URL": make_database(server, "bench"),
            "PAGETURNER_SECRET_KEYS": make_key(),
        }
        services = build(read_settings())
        fill(services.store.database, count)
        print(f"{count:,} locations, {count * 6:,} streams, {count * ASSIGNMENTS:,} assignments, {CHANGES:,} changes")
        measure(services, count)
        services.store.database.close()


def fill(database: Database, count: int) -> None:
    """Fill a database."""
    with database.write(3_600.0) as connection:
        allow(connection, 3_600.0)
        for statement in _FILL:
            connection.exec_driver_sql(statement.format(locations=count, assignments=ASSIGNMENTS, changes=CHANGES))
    with database.once() as connection:
        connection.exec_driver_sql("ANALYZE")


def measure(services: Services, count: int) -> None:
    """Time everything that grows with the number of locations."""
    store, now = services.store, services.store.now
    timed("a tick, where nothing is due", lambda: store.streams.claim_due(now(), AT_ONCE))
    timed("the status of every stream: look", lambda: look(services))
    timed("`status`, with crawls and counts: look closely", lambda: look_closely(services))
    timed("1,000 changes of the whole feed", lambda: list(islice(store.feed.after(CHANGES // 2), 1000)))
    timed("the changes of one location", lambda: list(store.feed.after(0, Sieve(uids=["7"]))))
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE streams SET due_at = now() - interval '1 minute'")
    timed(f"a tick, where all are due: claim {AT_ONCE}", lambda: store.streams.claim_due(now(), AT_ONCE))
    timed("to begin a sync of one location", opening(services))
    begun = time.perf_counter()
    while store.syncs.sweep():
        pass
    took = time.perf_counter() - begun
    print(f"  {took * 1000:9.1f} ms  a sweep of {count * 6:,} crawls: {count * 6 / took:,.0f} a second")


def opening(services: Services) -> Callable[[], object]:
    """Return what opens a sync of one location after the other."""
    locations = iter(services.store.locations.watched())
    return lambda: services.use_cases.syncer.open(next(locations), None, full=False)


def timed(what: str, work: Callable[[], object]) -> None:
    """Print how long something takes."""
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    print(f"  {statistics.median(took) * 1000:9.1f} ms  {what}", flush=True)


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["20000"])[0]))
