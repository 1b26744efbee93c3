"""How long each view takes, of 1,000 locations and 200,000 assignments.

Each location has 60 assets, of which each has changed on four days of the last thirty.

The whole view is counted, and the first 200 rows of its report are read. The ratio is to one look through the largest
table that the view reads, which is what it could not do without.

usage: python bench/views.py [LOCATIONS]
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meters import spun

from storage.database import Database, open_database
from storage.reports import Choice, Reports
from storage.views import VIEWS, View
from tests.support.servers import make_database, postgresql_server

ASSETS, ASSIGNMENTS, DAYS = 60, 200_000, 30

#: Fills the tables as publishes would have.
_FILL = (
    """INSERT INTO locations (name, uid, token_expires, added_at, country, catalogue)
       SELECT 'place ' || n, n::text, now() + interval '90 days', now(), 'us', 'enterprisestore'
       FROM generate_series(1, {locations}) n""",
    """INSERT INTO streams (location_id, resource, published_at, seen_at)
       SELECT l.id, r, now(), now() FROM locations l, unnest(ARRAY['assets', 'assignments', 'users']) r""",
    """INSERT INTO listings (adam_id, country, catalogue, owner, name, platforms, as_of, due_at)
       SELECT n::text, 'us', 'enterprisestore', '', 'App ' || n, '["iphone", "ipad"]', now(), now()
       FROM generate_series(1, {assets}) n""",
    """INSERT INTO mirror_assets (location_id, adam_id, pricing_param, product_type, total_count, assigned_count,
         available_count, retired_count, device_assignable, revocable, supported_platforms, record)
       SELECT l.id, n::text, 'STDQ', 'App', 100, 90 - n, 10 + n, 0, true, true, '["iOS"]', '{{}}'
       FROM locations l, generate_series(1, {assets}) n""",
    """INSERT INTO mirror_users (location_id, standing, identity, client_user_id, email, status, record)
       SELECT l.id, 'active', 'u' || n, 'u' || n, 'u' || n || '@example.com', 'Associated', '{{}}'
       FROM locations l, generate_series(1, 50) n""",
    """INSERT INTO mirror_assignments (location_id, serial_number, client_user_id, adam_id, pricing_param, record)
       SELECT l.id, CASE WHEN n % 8 = 0 THEN '' ELSE 'S' || n END, CASE WHEN n % 8 = 0 THEN 'u' || n % 70 ELSE '' END,
         (1 + n % {assets})::text, 'STDQ', '{{}}'
       FROM locations l, generate_series(1, {each}) n ON CONFLICT DO NOTHING""",
    """INSERT INTO asset_days (location_id, adam_id, pricing_param, day, total, assigned, available, was_assigned,
         was_available)
       SELECT l.id, n::text, 'STDQ', current_date - d, 100, 90 - n - d % 7, 10 + n + d % 7, 89 - n, 11 + n
       FROM locations l, generate_series(1, {assets}) n, generate_series(1, {days}, 8) d""",
    """INSERT INTO changes (seq, at, location_id, resource, op, after, crawl_id)
       SELECT n, now() - n * interval '10 seconds', 1 + n % {locations}, 'assignments', 'insert',
         '{{"adamId": "' || 1 + n % {assets} || '", "pricingParam": "STDQ", "serialNumber": "S' || n || '"}}', 1
       FROM generate_series(1, {assignments}) n""",
)


def main(locations: int) -> None:
    """Fill a database, and time each view."""
    with postgresql_server(is_durable=True) as server:
        database = open_database(make_database(server, "bench"))
        fill(database, locations)
        print(f"{locations:,} locations, {ASSIGNMENTS:,} assignments, loop {spun():.0f} ms")
        scan = timed(lambda: scalar(database, "SELECT count(record) FROM mirror_assignments"))
        print(f"{'one look through the assignments':40} {scan:7.0f} ms")
        reports = Reports(database)
        for name, view in VIEWS.items():
            whole = timed(partial(scalar, database, f"SELECT count(as_of) FROM (SELECT * FROM {name}) v"))
            first = timed(partial(look, reports, view))
            print(f"{name:20} whole {ratio(whole, scan)}   first 200 {ratio(first, scan)}")
        database.close()


def fill(database: Database, locations: int) -> None:
    sizes = {"locations": locations, "assets": ASSETS, "each": ASSIGNMENTS // locations, "days": DAYS}
    for statement in _FILL:
        with database.write(600.0) as connection:
            connection.exec_driver_sql(statement.format(**sizes, assignments=ASSIGNMENTS).replace("%", "%%"))
    with database.once() as connection:
        connection.exec_driver_sql("ANALYZE")


def look(reports: Reports, view: View) -> None:
    """Read what a terminal shows first."""
    list(reports.rows(view, Choice(limit=200)))


def ratio(milliseconds: float, scan: float) -> str:
    return f"{milliseconds:7.0f} ms ({milliseconds / scan:4.1f})"


def scalar(database: Database, statement: str) -> int:
    with database.read() as connection:
        return connection.scalar(sa.text(statement)) or 0


def timed(work: Callable[[], object]) -> float:
    """Return the milliseconds of the best of three."""
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1000)
