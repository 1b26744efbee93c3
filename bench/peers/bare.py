"""A chord of pages and nothing else: a Celery program in sixty lines, which `floor.py` runs beside ours.

Of each list it asks for the first page, and for the others in a chord, one page a task. What it reads it forgets; told
to keep books, it looks each page up in PostgreSQL before it asks for it, and notes it there afterwards: two statements,
as ours has. There is no gate: the threads of its workers are as many as requests may be in flight.
"""

import json
import os
import threading
import time
from pathlib import Path

import psycopg
import requests
from celery import Celery, chord

ORIGIN, REDIS, DATABASE = (os.environ[f"BARE_{name}"] for name in ("ORIGIN", "REDIS", "DATABASE"))
TOKENS = json.loads(Path(os.environ["BARE_TOKENS"]).read_text())

app = Celery("bare", broker=REDIS, backend=REDIS)
app.conf.update(
    task_acks_late=True, worker_prefetch_multiplier=1, task_ignore_result=True, worker_send_task_events=False
)

_NOTE = "INSERT INTO books VALUES (%s, %s, %s) ON CONFLICT (place, page) DO UPDATE SET size = excluded.size"

_local = threading.local()


@app.task
def seed(place: int) -> None:
    """Ask for the first page of a list, and send for the others."""
    app.backend.client.rpush("begun", time.time())
    total = json.loads(read(place, 0))["totalPages"]
    if total > 1:
        chord([page.si(place, index) for index in range(1, total)], done.si()).apply_async()
    else:
        done.run()


@app.task
def page(place: int, index: int) -> None:
    """Ask for a page."""
    read(place, index)


@app.task
def done() -> None:
    """Note when the last page of a list had been read."""
    app.backend.client.rpush("done", time.time())


def read(place: int, index: int) -> bytes:
    if DATABASE:
        books().execute("SELECT size FROM books WHERE place = %s AND page = %s", (place, index)).fetchall()
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    asked = {"headers": {"Authorization": f"Bearer {TOKENS[place]}"}, "params": {"pageIndex": index}}
    answer = _local.session.get(f"{ORIGIN}/mdm/v2/assignments", timeout=60, **asked)
    answer.raise_for_status()
    if DATABASE:
        books().execute(_NOTE, (place, index, len(answer.content)))
    return answer.content


def books() -> psycopg.Connection:
    if not hasattr(_local, "books"):
        _local.books = psycopg.connect(DATABASE, autocommit=True)
    return _local.books
