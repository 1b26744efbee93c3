"""The floor: what a crawl and a publish cost before there is anything of ours in them.

`reading`: a list of 353 pages is read by five threads that do nothing else; by a chord of Celery's that does nothing
else (`peers/bare.py`); by the same with two statements a page; and by ours, first and with nothing changed. Peers load
it beside them. Each is run in turn, three times; what is printed are medians. All workers were warm, and the peers' CPU
is of whole programs.

`many`: a thousand locations of 1 to 5 pages are read by ours, with nothing changed, and by the bare program.

`publish`: a first load, and beside it the two things that PostgreSQL has to do for it, with rows that are made already:
to take them into an empty table with the same key, and to write the feed with its two indexes.

usage: python bench/floor.py reading [LATENCY_MS ...] | many [LOCATIONS] | publish [RECORDS ...]
"""

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from celery import Celery
from redis import Redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from beside import PEERS, apart, install, theirs
from crawl import LAST, PAGES, SIZE, ideal_of, installation
from many import MANY_THREADS, running
from meters import cpu_of, server_cpu, spun
from publish import Organisation, crawl
from reading import read_alone

from entrypoints.embedded import processes
from storage.database import open_database
from tests.support.filled_store import make_store
from tests.support.processes import COMMAND, Apple, await_workers, running_simulator
from tests.support.servers import make_database, postgresql_server, redis_server

ROUNDS = 3

#: The threads of the bare program's workers, which are two: five requests of one list at a time, or as many as ours.
_OF_ONE_LIST = (3, 2)
_OF_MANY = (MANY_THREADS, MANY_THREADS)

#: A bare program that has not ended by then never will.
_PATIENCE_SECONDS = 600.0

_PEERS = Path(__file__).resolve().parent / "peers"

#: Whose CPU a first load is compared with.
_COMPARED = ("spider", "dlt_parallel")

_STATEMENTS = "Celery, two statements"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What reading a list took: from its begin to its last page, and in CPU of the programs and of PostgreSQL."""

    cpu: float
    server: float
    seconds: float | None = None


def reading(latency: float) -> None:
    peers = [peer for peer in PEERS if peer.name in _COMPARED]
    for peer in peers:
        install(peer)
    found: dict[str, list[Cost]] = defaultdict(list)
    with (
        postgresql_server(is_durable=True) as server,
        running_simulator("--latency", str(latency * 1000), *SIZE) as apple,
    ):
        print(f"{latency * 1000:.0f} ms an answer; the ideal is {ideal_of(latency):.2f} s, the loop {spun():.0f} ms")
        for number in range(ROUNDS):
            alone = apart(read_alone, apple.origin, apple.token, PAGES)
            found["five threads"].append(Cost(cpu=0.0, server=0.0, seconds=alone))
            found["Celery"].append(bare(apple))
            found[_STATEMENTS].append(bare(apple, make_database(server, f"bare{number}")))
            database = make_database(server, f"ours{number}")
            with installation(apple, database) as (env, workers):
                found["Pageturner, first"].append(ours(env, workers))
                found["Pageturner, unchanged"].append(ours(env, workers))
            found["rows and feed"].append(Cost(cpu=0.0, server=load(database).cpu))
            for peer in peers:
                first, _ = theirs(peer, apple, make_database(server, f"{peer.name}{number}"))
                found[f"{peer.label}, first"].append(Cost(cpu=first.cpu, server=first.server_cpu))
    show(found, ideal_of(latency))


def show(found: dict[str, list[Cost]], ideal: float) -> None:
    """Print the medians, and what the least of a first load is beside ours and the peers'."""
    whole = {}
    for label, some in found.items():
        cpu, server = statistics.median(one.cpu for one in some), statistics.median(one.server for one in some)
        taken = [one.seconds for one in some if one.seconds is not None]
        ratio = f"{statistics.median(taken) / ideal:.3f}" if taken else ""
        whole[label] = cpu + server
        print(f"{label:32} last page / ideal {ratio:6}  CPU {cpu:5.2f} s + PostgreSQL {server:5.2f} s")
    for reader in (_STATEMENTS, "Pageturner, unchanged"):
        least = whole[reader] + whole["rows and feed"]
        of_each = ", ".join(f"{least / cpu:.2f} of {label}" for label, cpu in whole.items() if label.endswith("first"))
        print(f"{reader}, with rows and feed: {least:.2f} s of CPU, which is {of_each}")


def ours(env: dict[str, str], workers: list["subprocess.Popen[bytes]"]) -> Cost:
    """Read the list with two workers that run already; the command that waits for them is not counted."""
    busy, servers = cpu_of(workers), server_cpu()
    subprocess.run([COMMAND, "sync", "--full"], env=env, check=True, capture_output=True)
    busy, servers = cpu_of(workers) - busy, server_cpu() - servers
    with psycopg.connect(env["PAGETURNER_DATABASE_URL"]) as connection:
        taken, *_ = connection.execute(LAST).fetchone() or (0,)
    return Cost(cpu=busy, server=servers, seconds=float(taken))


def bare(apple: Apple, database: str = "") -> Cost:
    """Read the list with the program of `peers/bare.py`, whose workers run already."""
    with redis_server() as redis, bare_workers(apple.origin, [apple.token], redis, database, _OF_ONE_LIST) as workers:
        return visited(workers, redis, 1, is_booked=bool(database))


def visited(workers: list["subprocess.Popen[bytes]"], redis: str, lists: int, *, is_booked: bool) -> Cost:
    """Have the bare program read so many lists, once for nothing and once more, and return what the second took.

    It ends with the callback of its last chord, a few milliseconds after the last page.
    """
    app = Celery("bare", broker=redis, set_as_current=False)
    with Redis.from_url(redis) as client:
        for _ in range(2):
            client.delete("begun", "done")
            busy, servers = cpu_of(workers), server_cpu()
            for place in range(lists):
                app.send_task("bare.seed", (place,))
            until = time.monotonic() + _PATIENCE_SECONDS
            while int(client.llen("done")) < lists:
                assert time.monotonic() < until, "the bare program did not end"
                time.sleep(0.01)
            busy, servers = cpu_of(workers) - busy, server_cpu() - servers
        begun, done = (list(map(float, client.lrange(name, 0, -1))) for name in ("begun", "done"))
    app.close()
    return Cost(cpu=busy, server=servers if is_booked else 0.0, seconds=max(done) - min(begun))


@contextlib.contextmanager
def bare_workers(
    origin: str, tokens: list[str], redis: str, database: str, threads: tuple[int, ...]
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Run its workers for the length of the block, with books to keep if there is a database."""
    if database:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE TABLE books (place bigint, page bigint, size bigint, PRIMARY KEY (place, page))")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(tokens, file)
        file.flush()
        given = {"ORIGIN": origin, "TOKENS": file.name, "REDIS": redis, "DATABASE": database}
        yield from _bare_workers({**os.environ, **{f"BARE_{name}": value for name, value in given.items()}}, threads)


def _bare_workers(env: dict[str, str], threads: tuple[int, ...]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "bare", "worker", "--pool", "threads"]
    alone = ["--without-gossip", "--without-mingle", "--loglevel", "ERROR"]
    names = [f"bare-{number}" for number in range(len(threads))]
    children: list[subprocess.Popen[bytes]] = []
    try:
        for name, own in zip(names, threads, strict=True):
            pool = ["--concurrency", str(own), "--hostname", f"{name}@%h"]
            child = subprocess.Popen(
                [*command, *alone, *pool], cwd=_PEERS, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            children.append(child)
        await_workers({"PAGETURNER_REDIS_URL": env["BARE_REDIS"]}, names)
        yield children
    finally:
        for child in children:
            processes.stop(child)


#: From the first crawl's begin to the last one's end.
_SPAN = "SELECT extract(epoch FROM max(ended_at) - min(opened_at)) FROM crawls WHERE id > %s"


def many(count: int) -> None:
    with running(count) as bench:
        uids, dice = list(bench.tokens), random.Random(2)
        for uid in uids:
            bench.grow(uid, dice.randint(1, 5))
        bench.keep(uids)
        bench.await_in_step(uids)
        last, busy = bench.last_crawl(), bench.cpu()["workers"]
        bench.read_again()
        bench.await_in_step(uids, last)
        busy = bench.cpu()["workers"] - busy
        pages = bench.pages_since(last)
        [[wall]] = bench.ask(_SPAN, last)
        tell("Pageturner, unchanged", pages, count, Cost(cpu=busy, server=0.0, seconds=float(wall)))
        for worker in bench.workers:
            processes.stop(worker)
        apple, tokens = bench.cluster.apple, list(bench.tokens.values())
        with postgresql_server(is_durable=True) as server, redis_server() as redis:
            database = make_database(server, "bare")
            with bare_workers(apple.origin, tokens, redis, database, _OF_MANY) as workers:
                cost = visited(workers, redis, count, is_booked=True)
            with psycopg.connect(database) as connection:
                [read] = connection.execute("SELECT count(*) FROM books").fetchone() or (0,)
            tell(_STATEMENTS, read, count, cost)


def tell(label: str, pages: int, count: int, cost: Cost) -> None:
    """Print what many lists took."""
    assert cost.seconds is not None
    speed = f"{pages} pages, {pages / cost.seconds:.0f} pages/s"
    print(f"{label:32} {speed}   CPU of the workers a location: {cost.cpu / count * 1000:.1f} ms", flush=True)


def publish(size: int) -> None:
    print(f"{size:,} records")
    with postgresql_server(is_durable=True) as server:
        url = make_database(server, "bench")
        database = open_database(url)
        store = make_store(database)
        store.add()
        crawl(store, Organisation(size).pages(), "first load")
        database.close()
        least = load(url)
    parts = f"the rows with their key {least.rows:.2f} s, the feed {least.feed:.2f} s"
    print(f"floor        {least.rows + least.feed:7.2f} s   {parts}   CPU of PostgreSQL {least.cpu:.2f} s", flush=True)


#: A feed that begins: every row of the table is new.
_FEED = """
    INSERT INTO events (seq, at, location_id, resource, op, after, crawl_id)
    SELECT row_number() OVER (), now(), location_id, 'assignments', 'insert', record, 1 FROM rows
"""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What PostgreSQL took for rows that were made already, and for their feed."""

    rows: float
    feed: float
    cpu: float


def load(url: str) -> Load:
    """Take the rows of a mirror into another table like it, and write their feed."""
    with psycopg.connect(url) as connection:
        with connection.cursor().copy("COPY mirror_assignments TO STDOUT") as copy:
            text = b"".join(copy)
        connection.execute("CREATE TABLE rows (LIKE mirror_assignments INCLUDING ALL)")
        connection.execute("CREATE TABLE events (LIKE changes INCLUDING ALL)")
        connection.commit()
        busy, begun = server_cpu(), time.perf_counter()
        with connection.cursor().copy("COPY rows FROM STDIN") as copy:
            for start in range(0, len(text), 1 << 20):
                copy.write(text[start : start + (1 << 20)])
        taken = time.perf_counter()
        connection.execute(_FEED)
        connection.commit()
        ended = time.perf_counter()
    return Load(rows=taken - begun, feed=ended - taken, cpu=server_cpu() - busy)


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["reading"]
    for number in rest or {"reading": ["20", "50", "200"], "many": ["1000"], "publish": ["193797"]}[what]:
        if what == "reading":
            reading(float(number) / 1000)
        elif what == "many":
            many(int(number))
        else:
            publish(int(number))
