"""A pipeline of dlt, tuned by hand: pages are fetched side by side, and loaded into PostgreSQL as CSV.

Usage: dlt_parallel.py ORIGIN TOKEN POSTGRESQL
"""

import os
import sys
import threading

import dlt
import requests

ORIGIN, TOKEN, DATABASE = sys.argv[1:]
KEY = ["adamId", "pricingParam", "clientUserId", "serialNumber"]

os.environ |= {"EXTRACT__WORKERS": "5", "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

_local = threading.local()


def fetch(index: int) -> dict:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers["Authorization"] = f"Bearer {TOKEN}"
    answer = _local.session.get(f"{ORIGIN}/mdm/v2/assignments", params={"pageIndex": index}, timeout=60)
    answer.raise_for_status()
    return answer.json()


def filled(page: dict) -> list[dict]:
    return [dict.fromkeys(KEY, "") | one for one in page["assignments"]]


@dlt.resource(name="indexes")
def indexes():
    yield from range(fetch(0)["totalPages"])


@dlt.transformer(data_from=indexes, name="assignments", primary_key=KEY, write_disposition="merge", parallelized=True)
def assignments(index: int):
    return filled(fetch(index))


pipeline = dlt.pipeline("parallel", destination=dlt.destinations.postgres(DATABASE), dataset_name="bench")
pipeline.run(assignments, loader_file_format="csv")
