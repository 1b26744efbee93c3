"""How near to the ideal a crawl is: pages of 549 assignments, five in flight, two worker processes, PostgreSQL.

ideal = latency x (1 + ceil((pages - 1) / 5)): one page to learn how many there are, then five at a time. The simulator
sets no limit of requests a second here. Each line is one sync: the first load, one with nothing changed (forced to read
everything), and one with some changed. Ratios are within one run; machines are noisy, so run it twice. PostgreSQL has
its defaults. What Redis has in memory after each sync, and the most that a worker ever had, should not grow with the
number of syncs (`--unchanged 10`).

usage: python bench/crawl.py [--pages 353] [--changed 1.0] [--unchanged 1] [LATENCY_MS ...]
"""

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meters import cpu_of, peak_of

from storage.sealer import make_key
from tests.support.processes import COMMAND, Apple, running_simulator, running_workers
from tests.support.servers import make_database, postgresql_server, redis_server

PAGES, PAGE_SIZE = 353, 549
ASSIGNMENTS = PAGES * PAGE_SIZE

LAST = """
    SELECT extract(epoch FROM max(p.fetched_at) - c.opened_at), extract(epoch FROM c.ended_at - max(p.fetched_at)),
           count(*), c.inserted + c.updated + c.deleted
    FROM crawls c JOIN pages p ON p.crawl_id = c.id GROUP BY c.id ORDER BY c.id DESC LIMIT 1
"""


def size_of(pages: int) -> list[str]:
    """Return the simulator's options for a list of so many pages."""
    return ["--assets", "60", "--assignments", str(pages * PAGE_SIZE), "--users", "0", "--page-size", str(PAGE_SIZE)]


SIZE = size_of(PAGES)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What one round of syncs runs on."""

    env: dict[str, str]
    apple: Apple
    workers: list["subprocess.Popen[bytes]"]
    latency: float

    def sync(self, what: str) -> None:
        """Sync once and print what it took."""
        self.apple.forget_traffic()
        before = cpu_of(self.workers)
        subprocess.run([COMMAND, "sync", "--full"], env=self.env, check=True, capture_output=True)
        with psycopg.connect(self.env["PAGETURNER_DATABASE_URL"]) as connection:
            reading, tail, pages, changes = connection.execute(LAST).fetchone() or (0, 0, 0, 0)
        ideal = ideal_of(self.latency, pages)
        traffic = self.apple.traffic()
        with Redis.from_url(self.env["PAGETURNER_REDIS_URL"]) as redis:
            broker: Any = redis.info("memory")
        figures = {
            "last page stored / ideal": f"{float(reading) / ideal:.3f}",
            "publish tail s": f"{float(tail):.2f}",
            "pages/s": f"{pages / float(reading):.0f}",
            "worker CPU s": f"{cpu_of(self.workers) - before:.2f}",
            "peak MB": f"{max(peak_of(worker.pid) for worker in self.workers):.0f}",
            "Redis kB": f"{broker['used_memory'] / 1000:.0f}",
            "most in flight": traffic["most_in_flight"],
            "refused": traffic["refused"],
            "changes": changes,
        }
        print(
            f"{self.latency * 1000:4.0f} ms  {what:13}", "  ".join(f"{name} {value}" for name, value in figures.items())
        )


@contextlib.contextmanager
def installation(apple: Apple, database: str) -> Iterator[tuple[dict[str, str], list["subprocess.Popen[bytes]"]]]:
    """Run two worker processes with one location for the length of the block; yield their environment and them."""
    with tempfile.TemporaryDirectory() as home, redis_server() as redis:
        env = {
            **os.environ,
            "PAGETURNER_HOME": home,
            "PAGETURNER_REDIS_URL": redis,
            "PAGETURNER_DATABASE_URL": database,
            "PAGETURNER_SECRET_KEYS": make_key(),
            "PAGETURNER_APPLE_URL": apple.origin,
        }
        token = Path(home) / "token"
        token.write_text(apple.token)
        # As an installation does that is brought up to date: otherwise the workers would also hold what migrates.
        subprocess.run([COMMAND, "migrate"], env=env, check=True, capture_output=True)
        with running_workers(env, processes_=2, threads=8) as workers:
            add = [COMMAND, "locations", "add", str(token), "--resources", "assignments"]
            subprocess.run(add, env=env, check=True, capture_output=True)
            yield env, workers


def measure(latency: float, pages: int, percent: float, unchanged: int) -> None:
    with (
        postgresql_server(is_durable=True) as server,
        running_simulator("--latency", str(latency * 1000), *size_of(pages)) as apple,
        installation(apple, make_database(server, "bench")) as (env, workers),
    ):
        bench = Bench(env=env, apple=apple, workers=workers, latency=latency)
        bench.sync("first load")
        for _ in range(unchanged):
            bench.sync("unchanged")
        each = int(pages * PAGE_SIZE * percent / 300)  # a third each inserted, removed and put in another's place
        apple.change(resource="assignments", insert=each, remove=each, update=each, where="random")
        bench.sync(f"{percent:g} % changed")
        print("the mirror equals the truth" if is_exact(env, apple) else "THE MIRROR DIFFERS FROM THE TRUTH")


def ideal_of(latency: float, pages: int = PAGES) -> float:
    """Return how long a list takes: one page to learn how many there are, then five at a time."""
    return latency * (1 + math.ceil((pages - 1) / 5))


def is_exact(env: dict[str, str], apple: Apple) -> bool:
    """Return whether the mirror has exactly what Apple has."""
    export = [COMMAND, "export", "assignments"]
    exported = subprocess.run(export, env=env, check=True, capture_output=True, text=True)
    mirror = sorted(json.dumps(json.loads(line), sort_keys=True) for line in exported.stdout.splitlines())
    return mirror == sorted(json.dumps(record, sort_keys=True) for record in apple.truth("assignments"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--changed", type=float, default=1.0, help="per cent of the assignments")
    parser.add_argument("--unchanged", type=int, default=1, help="how many syncs find nothing changed")
    parser.add_argument("latencies", nargs="*", type=float, default=[200.0, 50.0], help="milliseconds of an answer")
    chosen = parser.parse_args()
    for milliseconds in chosen.latencies:
        measure(milliseconds / 1000, chosen.pages, chosen.changed, chosen.unchanged)
