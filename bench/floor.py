"""The floor: what a crawl and a publish cost before there is anything of ours in them.

`reading`: a list of 353 pages is read by five threads that do nothing else; by a chord of Celery's that does nothing
else (`peers/bare.py`); by the same with two statements a page; and by ours, with nothing changed. A first load of
peers is beside them. Each is run in turn, three times; what is printed are medians.

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
from many import THREADS, running
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
_OF_MANY = (THREADS, THREADS)

_PEERS = Path(__file__).resolve().parent / "peers"

#: Whose CPU a first load is compared with.
_COMPARED = ("spider", "dlt_parallel")

_STATEMENTS = "Celery, two statements"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What reading a list took: to its last page, where that can be told, and in CPU of the programs and PostgreSQL."""

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
            servers = server_cpu()
            load(database)
            found["rows and feed"].append(Cost(cpu=0.0, server=server_cpu() - servers))
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
    least = whole[_STATEMENTS] + whole["rows and feed"]
    for label, cpu in whole.items():
        if label.endswith("first"):
            print(f"{label:32} {cpu:5.2f} s of CPU; the floor, {least:.2f} s, is {least / cpu:.2f} of it")


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
    """Have the bare program read so many lists, and return what that took."""
    app = Celery("bare", broker=redis, set_as_current=False)
    busy, servers, begun = cpu_of(workers), server_cpu(), time.time()
    for place in range(lists):
        app.send_task("bare.seed", (place,))
    app.close()
    with Redis.from_url(redis) as client:
        while int(client.llen("done")) < lists:
            time.sleep(0.01)
        ended = max(float(one) for one in client.lrange("done", 0, -1))
    busy, servers = cpu_of(workers) - busy, server_cpu() - servers
    return Cost(cpu=busy, server=servers if is_booked else 0.0, seconds=ended - begun)


@contextlib.contextmanager
def bare_workers(
    origin: str, tokens: list[str], redis: str, database: str, threads: tuple[int, ...]
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Run its workers for the length of the block, with books to keep if there is a database."""
    if database:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE TABLE books (place bigint, page bigint, size bigint, PRIMARY KEY (place, page))")
    given = {"ORIGIN": origin, "TOKENS": json.dumps(tokens), "REDIS": redis, "DATABASE": database}
    env = {**os.environ, **{f"BARE_{name}": value for name, value in given.items()}}
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
        await_workers({"PAGETURNER_REDIS_URL": redis}, names)
        yield children
    finally:
        for child in children:
            processes.stop(child)


def many(count: int) -> None:
    with running(count) as bench:
        uids, dice = list(bench.tokens), random.Random(2)
        for uid in uids:
            bench.grow(uid, dice.randint(1, 5))
        bench.keep(uids)
        bench.await_in_step(uids)
        last, before, begun = bench.last_crawl(), bench.cpu(), time.monotonic()
        bench.read_again()
        bench.await_in_step(uids, last)
        wall, after = time.monotonic() - begun, bench.cpu()
        pages = bench.pages_since(last)
        spent = {name: after[name] - before[name] for name in after}
        tell("Pageturner, unchanged", pages, count, Cost(cpu=spent["workers"], server=spent["database"], seconds=wall))
        for worker in bench.workers:
            processes.stop(worker)
        apple, tokens = bench.cluster.apple, list(bench.tokens.values())
        with postgresql_server(is_durable=True) as server, redis_server() as redis:
            database = make_database(server, "bare")
            with bare_workers(apple.origin, tokens, redis, database, _OF_MANY) as workers:
                tell(_STATEMENTS, pages, count, visited(workers, redis, count, is_booked=True))


def tell(label: str, pages: int, count: int, cost: Cost) -> None:
    """Print what many lists took."""
    assert cost.seconds is not None
    speed = f"{pages} pages, {pages / cost.seconds:.0f} pages/s"
    of_each = f"{cost.cpu / count * 1000:.1f} ms + PostgreSQL {cost.server / count * 1000:.1f} ms"
    print(f"{label:32} {speed}   CPU a location: {of_each}", flush=True)


def publish(size: int) -> None:
    print(f"{size:,} records")
    with postgresql_server(is_durable=True) as server:
        url = make_database(server, "bench")
        database = open_database(url)
        store = make_store(database)
        store.add()
        crawl(store, Organisation(size).pages(), "first load")
        database.close()
        rows, events = load(url)
    print(f"floor        {rows + events:7.2f} s   the rows with their key {rows:.2f} s, the feed {events:.2f} s")


#: A feed that begins: every row of the table is new.
_FEED = """
    INSERT INTO events (seq, at, location_id, resource, op, after, crawl_id)
    SELECT row_number() OVER (), now(), location_id, 'assignments', 'insert', record, 1 FROM rows
"""


def load(url: str) -> tuple[float, float]:
    """Take the rows of a mirror into another table like it, and write their feed; return how long each took."""
    with psycopg.connect(url) as connection:
        with connection.cursor().copy("COPY mirror_assignments TO STDOUT") as copy:
            text = b"".join(copy)
        connection.execute("CREATE TABLE rows (LIKE mirror_assignments INCLUDING ALL)")
        connection.execute("CREATE TABLE events (LIKE changes INCLUDING ALL)")
        connection.commit()
        begun = time.perf_counter()
        with connection.cursor().copy("COPY rows FROM STDIN") as copy:
            for start in range(0, len(text), 1 << 20):
                copy.write(text[start : start + (1 << 20)])
        taken = time.perf_counter()
        connection.execute(_FEED)
        connection.commit()
        return taken - begun, time.perf_counter() - taken


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ["reading"]
    for number in rest or {"reading": ["20", "50", "200"], "many": ["1000"], "publish": ["193797"]}[what]:
        if what == "reading":
            reading(float(number) / 1000)
        elif what == "many":
            many(int(number))
        else:
            publish(int(number))
