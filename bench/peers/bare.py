"""A chord of pages and nothing else: a Celery program in fifty lines, which `floor.py` runs beside ours.

It asks for the first page, and for the others in a chord, one page a task. What it reads it forgets; told to keep
books, it looks each page up in PostgreSQL before it asks for it, and notes it there afterwards: two statements, as ours
has. There is no gate: the threads of its workers are as many as requests may be in flight.
"""

import os
import threading
import time

import psycopg
import requests
from celery import Celery, chord

NAMES = ("ORIGIN", "TOKEN", "REDIS", "DATABASE", "PAGES")
ORIGIN, TOKEN, REDIS, DATABASE, PAGES = (os.environ[f"BARE_{name}"] for name in NAMES)

app = Celery("bare", broker=REDIS, backend=REDIS)
app.conf.update(
    task_acks_late=True, worker_prefetch_multiplier=1, task_ignore_result=True, worker_send_task_events=False
)

_local = threading.local()


@app.task
def seed() -> None:
    """Ask for the first page, and send for the others."""
    read(0)
    chord([page.si(index) for index in range(1, int(PAGES))], done.si()).apply_async()


@app.task
def page(index: int) -> None:
    """Ask for a page."""
    read(index)


@app.task
def done() -> None:
    """Note when the last page had been read."""
    app.backend.client.set("done", time.time())


def read(index: int) -> None:
    if DATABASE and books().execute("SELECT size FROM books WHERE page = %s", (index,)).fetchall():
        return
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers["Authorization"] = f"Bearer {TOKEN}"
    answer = _local.session.get(f"{ORIGIN}/mdm/v2/assignments", params={"pageIndex": index}, timeout=60)
    answer.raise_for_status()
    if DATABASE:
        books().execute("INSERT INTO books VALUES (%s, %s)", (index, len(answer.content)))


def books() -> psycopg.Connection:
    if not hasattr(_local, "books"):
        _local.books = psycopg.connect(DATABASE, autocommit=True)
    return _local.books
