"""How near to the ideal a crawl is: 353 pages of 549 assignments, five in flight, two worker processes, PostgreSQL.

ideal = latency x (1 + ceil((pages - 1) / 5)): one page to learn how many there are, then five at a time. The simulator
sets no limit of requests a second here. Each line is one sync: the first load, one with nothing changed (forced to read
everything), and one with 1 % changed. Ratios are within one run; machines are noisy, so run it twice.

usage: python bench/crawl.py [LATENCY_MS ...]
"""

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

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meters import cpu_of, peak_of

from storage.sealer import make_key
from tests.support.processes import COMMAND, Apple, running_simulator, running_workers
from tests.support.servers import make_database, postgresql_server, redis_server

PAGES, PAGE_SIZE = 353, 549
ASSIGNMENTS = PAGES * PAGE_SIZE
SIZE = ["--assets", "60", "--assignments", str(ASSIGNMENTS), "--users", "0", "--page-size", str(PAGE_SIZE)]
CHANGED = ASSIGNMENTS // 300  # a third each inserted, removed and put in another's place: 1 % in all

LAST = """
    SELECT extract(epoch FROM max(p.fetched_at) - c.opened_at), extract(epoch FROM c.ended_at - max(p.fetched_at)),
           count(*), c.inserted + c.updated + c.deleted
    FROM crawls c JOIN pages p ON p.crawl_id = c.id GROUP BY c.id ORDER BY c.id DESC LIMIT 1
"""


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
        figures = {
            "last page stored / ideal": f"{float(reading) / ideal:.3f}",
            "publish tail s": f"{float(tail):.2f}",
            "pages/s": f"{pages / float(reading):.0f}",
            "worker CPU s": f"{cpu_of(self.workers) - before:.2f}",
            "peak MB": f"{max(peak_of(worker.pid) for worker in self.workers):.0f}",
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


def measure(latency: float) -> None:
    with (
        postgresql_server() as server,
        running_simulator("--latency", str(latency * 1000), *SIZE) as apple,
        installation(apple, make_database(server, "bench")) as (env, workers),
    ):
        bench = Bench(env=env, apple=apple, workers=workers, latency=latency)
        bench.sync("first load")
        bench.sync("unchanged")
        apple.change(resource="assignments", insert=CHANGED, remove=CHANGED, update=CHANGED, where="random")
        bench.sync("1 % changed")
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
    for milliseconds in sys.argv[1:] or ["200", "50"]:
        measure(float(milliseconds) / 1000)
