"""A script as a good engineer writes it in a day: requests, five threads, and an exact difference with its events.

Usage: script.py ORIGIN TOKEN POSTGRESQL
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import requests

ORIGIN, TOKEN, DATABASE = sys.argv[1:]
KEY = "adam_id, pricing_param, client_user_id, serial_number"
THREADS = 5

_local = threading.local()


def fetch(index: int) -> dict:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers["Authorization"] = f"Bearer {TOKEN}"
    answer = _local.session.get(f"{ORIGIN}/mdm/v2/assignments", params={"pageIndex": index}, timeout=60)
    answer.raise_for_status()
    return answer.json()


def rows(page: dict) -> list[tuple]:
    names = ("adamId", "pricingParam", "clientUserId", "serialNumber")
    return [
        (*(str(one.get(name) or "") for name in names), json.dumps(one, sort_keys=True)) for one in page["assignments"]
    ]


def main() -> None:
    first = fetch(0)
    with psycopg.connect(DATABASE) as connection, ThreadPoolExecutor(THREADS) as pool:
        columns = "adam_id text, pricing_param text, client_user_id text, serial_number text, record text"
        connection.execute(f"CREATE TABLE IF NOT EXISTS mirror ({columns}, PRIMARY KEY ({KEY}))")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS events (seq bigserial PRIMARY KEY, op text, before text, after text)"
        )
        connection.execute(f"CREATE TEMP TABLE stage ({columns}) ON COMMIT DROP")
        with connection.cursor() as cursor, cursor.copy("COPY stage FROM STDIN") as copy:
            for page in (first, *pool.map(fetch, range(1, first["totalPages"]))):
                for row in rows(page):
                    copy.write_row(row)
        connection.execute("ANALYZE stage")
        connection.execute(f"""
            INSERT INTO events (op, before, after)
            SELECT CASE WHEN m.record IS NULL THEN 'insert' WHEN s.record IS NULL THEN 'delete' ELSE 'update' END,
                   m.record, s.record
            FROM stage s FULL JOIN mirror m USING ({KEY}) WHERE s.record IS DISTINCT FROM m.record""")
        same = " AND ".join(f"s.{name} = mirror.{name}" for name in KEY.split(", "))
        connection.execute(f"DELETE FROM mirror WHERE NOT EXISTS (SELECT FROM stage s WHERE {same})")
        connection.execute(f"""
            INSERT INTO mirror SELECT * FROM stage ON CONFLICT ({KEY}) DO UPDATE SET record = excluded.record
            WHERE mirror.record <> excluded.record""")


main()
