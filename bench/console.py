"""What the console costs: how long each page takes of much, and what those who look cost a sync.

`pages`: 1,000 locations, 60,000 assets and 200,000 assignments; each page is asked for five times, and the median is
shown with the ratio to one look through the largest table.

`viewers`: a full sync of 353 pages alone, and with 50 viewers of its live page and of the overview, in turn, five times
each. The viewers are one process beside; what a browser draws is not counted. The ratio is of the medians.

`memory`: viewers watch for some minutes beside one sync after the other, half of them each crawl anew, and what the
console holds is looked at after each. It ends with an error when viewers are gone.

usage: python bench/console.py pages | viewers [LATENCY_MS] | memory [MINUTES]
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from crawl import LAST, PAGES, SIZE, ideal_of, installation
from meters import spun
from views import fill

from storage.database import open_database
from storage.sealer import make_key
from tests.support.processes import COMMAND, running_simulator
from tests.support.servers import free_port, make_database, postgresql_server, redis_server

VIEWERS = 50
ROUNDS = 5

SEEN = (
    *("/", "/locations", "/locations?state=in+step", "/locations/500", "/apps", "/apps?sort=used", "/apps?q=App+7"),
    *(
        "/apps/7",
        "/holders?q=S1234",
        "/holder?kind=device&name=S150",
        "/changes",
        "/changes?app=7",
        "/records/assignments",
    ),
    *("/records/assignments?q=S199", "/records/assignments?pricing_param=STDQ&location=place+900", "/records/users"),
    *("/crawls", "/api/v1/records/assignments?limit=1000", "/api/v1/reports/holders?limit=1000", "/api/v1/streams"),
)


@contextlib.contextmanager
def console(env: dict[str, str]) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run a console for the length of the block; yield where it is, and its process."""
    port = free_port()
    child = subprocess.Popen([COMMAND, "console", "--port", str(port)], env=env, stderr=subprocess.DEVNULL)
    origin = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{origin}/readyz", timeout=5):
                break
            time.sleep(0.1)
        yield origin, child
    finally:
        child.terminate()
        child.wait(30)


def pages() -> None:
    with (
        postgresql_server(is_durable=True) as server,
        redis_server() as redis,
        tempfile.TemporaryDirectory() as home,
    ):
        url = make_database(server, "bench")
        with contextlib.closing(open_database(url)) as database:
            fill(database, 1000)
            scan = timed(lambda: look_through(url))
        env = environment(home, redis, url)
        print(f"loop {spun():.0f} ms, one look through the assignments {scan:.0f} ms")
        with console(env) as (origin, _):
            for path in SEEN:
                taken, size = timed_page(f"{origin}{path}")
                print(f"{path:72} {taken:6.0f} ms ({taken / scan:4.1f})  {size / 1000:6.0f} kB")


def environment(home: str, redis: str, database: str) -> dict[str, str]:
    return {
        "PATH": str(Path(COMMAND).parent),
        "PAGETURNER_HOME": home,
        "PAGETURNER_REDIS_URL": redis,
        "PAGETURNER_DATABASE_URL": database,
        "PAGETURNER_SECRET_KEYS": make_key(),
    }


def look_through(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT count(record) FROM mirror_assignments")


def timed(work: "object") -> float:
    assert callable(work)
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def timed_page(url: str) -> tuple[float, int]:
    size = 0

    def ask() -> None:
        nonlocal size
        asked = urllib.request.Request(url, headers={"Accept": "text/html"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            size = len(answer.read())

    return timed(ask), size


def viewers(latency: float) -> None:
    with (
        postgresql_server() as server,
        running_simulator("--latency", str(latency * 1000), *SIZE) as apple,
        installation(apple, make_database(server, "bench")) as (env, _),
        console(env) as (origin, child),
    ):
        sync(env)
        print(f"loop {spun():.0f} ms; ideal {ideal_of(latency):.2f} s of {PAGES} pages")
        found: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(ROUNDS):
            for is_watched in (False, True):
                with watching(origin, VIEWERS if is_watched else 0):
                    before = psutil.Process(child.pid).cpu_times().user
                    found[is_watched].append(sync(env))
                    cpu = psutil.Process(child.pid).cpu_times().user - before
                words = f"{VIEWERS} viewers" if is_watched else "alone"
                print(f"{words:12} {found[is_watched][-1]:6.3f} s  the console's CPU {cpu:.2f} s")
        alone, watched = (statistics.median(found[one]) for one in (False, True))
        print(f"with {VIEWERS} viewers / alone: {watched / alone:.3f}")


def sync(env: dict[str, str]) -> float:
    """Read everything, and return how long its crawl took to its last page and to its end."""
    subprocess.run([COMMAND, "sync", "--full"], env=env, check=True, capture_output=True)
    with psycopg.connect(env["PAGETURNER_DATABASE_URL"]) as connection:
        reading, tail, _, _ = connection.execute(LAST).fetchone() or (0, 0, 0, 0)
    return float(reading) + float(tail)


#: Half of them watch the overview all the time. The others watch each crawl as soon as it has begun, until it is over.
_WATCH = """
import asyncio, json, sys, urllib.request

origin, count = sys.argv[1], int(sys.argv[2])
host, port = origin.removeprefix("http://").split(":")
begun = asyncio.Condition()
crawl = 0

async def follow(path):
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n".encode())
    await writer.drain()
    while block := await reader.read(65536):
        if b"What happened" in block and b"Published" in block:
            break
    writer.close()

def newest():
    with urllib.request.urlopen(f"{origin}/crawls.json?resource=assignments") as answer:
        rows = json.load(answer)["rows"]
    return rows[0]["id"] if rows and rows[0]["ended_at"] is None else 0

async def find():
    global crawl
    while True:
        found = await asyncio.to_thread(newest)
        if found > crawl:
            async with begun:
                crawl = found
                begun.notify_all()
        await asyncio.sleep(0.3)

async def watch(number):
    seen = 0
    while number % 2:
        async with begun:
            await begun.wait_for(lambda: crawl > seen)
            seen = crawl
        await follow(f"/crawls/{seen}.live")
    await follow("/overview.live")

async def main():
    await asyncio.gather(find(), *(watch(number) for number in range(count)))

print("ready", flush=True)
asyncio.run(main())
"""


@contextlib.contextmanager
def watching(origin: str, count: int) -> Iterator[None]:
    """Have so many viewers watch for the length of the block."""
    if not count:
        yield
        return
    child = subprocess.Popen([sys.executable, "-c", _WATCH, origin, str(count)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    try:
        yield
    finally:
        child.kill()
        child.wait()


def memory(minutes: float) -> None:
    with (
        postgresql_server() as server,
        running_simulator("--latency", "50", *SIZE) as apple,
        installation(apple, make_database(server, "bench")) as (env, _),
        console(env) as (origin, child),
        watching(origin, VIEWERS),
    ):
        until = time.monotonic() + minutes * 60
        held: list[tuple[float, float]] = []
        while (left := until - time.monotonic()) > 0:
            sync(env)
            process = psutil.Process(child.pid)
            held.append((left, process.memory_info().rss / 1e6))
            theirs = [one for one in process.net_connections("tcp4") if f":{one.laddr.port}" in origin and one.raddr]
            print(f"{left:6.0f} s left  {held[-1][1]:6.1f} MB  {len(theirs)} connections of viewers", flush=True)
            if len(theirs) < VIEWERS // 2:  # the others watch the next crawl once it has begun
                raise SystemExit(f"viewers are gone: {len(theirs)} connections of at least {VIEWERS // 2}")
        halfway = next((size for left, size in held if left <= minutes * 30), held[0][1])
        print(f"halfway {halfway:.1f} MB, at the end {held[-1][1]:.1f} MB")


def main() -> None:
    what, *rest = sys.argv[1:] or ["pages"]
    if what == "pages":
        pages()
    elif what == "viewers":
        viewers(float(rest[0]) / 1000 if rest else 0.05)
    else:
        memory(float(rest[0]) if rest else 5)


if __name__ == "__main__":
    main()
