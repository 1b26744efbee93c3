"""Many locations: nobody waits behind a big neighbour, and a thousand of them cost what they ask for and no more.

neighbours: 4 locations of 400 pages are begun first, then 100 of 1 to 3 pages. Prints how long the small ones take from
the moment they are added until the mirror has them, and what the workers' slots did: a slot that waits for a permit
would be one that does nothing while others have work.

thousand: 1,000 locations of 1 to 5 pages, four rounds. Prints pages and locations a second, the memory of broker,
workers and database after each round, and what the workers and PostgreSQL spent on a location; the second and third
read everything again, in which nothing has changed, and the fourth only looks whether anything has.

Both run on two worker processes and a beat, and count at the simulator that no location ever had six in flight.

usage: python bench/many.py [neighbours | thousand [LOCATIONS]]
"""

import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from redis import Redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meters import cpu_of, server_cpu

from entrypoints.embedded import processes
from orchestration.metrics import MetricsStore
from tests.support.cluster import Cluster, bare_cluster
from tests.support.processes import running_workers
from tests.support.servers import redis_server

PROCESSES, THREADS = 2, 8
#: Of a thousand locations each thread mostly waits for Apple's first page, which takes a tenth of a second.
MANY_THREADS = 16
PAGE = 50
PATIENCE_SECONDS = 1800.0

_IN_STEP = """
    SELECT l.uid, extract(epoch FROM max(c.ended_at) - l.added_at),
           extract(epoch FROM max(c.ended_at) - min(c.opened_at))
    FROM locations l JOIN streams s ON s.location_id = l.id JOIN crawls c ON c.stream_id = s.id
    WHERE c.state IN ('published', 'unchanged') AND c.id > %s GROUP BY l.id
"""


@dataclass(kw_only=True)
class Bench:
    """An installation with two workers and a beat."""

    cluster: Cluster
    workers: list["subprocess.Popen[bytes]"]
    tokens: dict[str, str] = field(default_factory=dict)

    def grow(self, uid: str, pages: int) -> None:
        """Set the number of assignments of a location to a number of pages."""
        if pages > 1:
            self.cluster.apple.change(uid, resource="assignments", insert=(pages - 1) * PAGE, where="end")

    def keep(self, uids: list[str]) -> None:
        """Add locations, as a person with many does."""
        for uid in uids:
            (self.cluster.home / f"{uid}.vpptoken").write_text(self.tokens[uid])
        entries = [f'[[location]]\nname = "{uid}"\ntoken = "{uid}.vpptoken"' for uid in uids]
        file = self.cluster.home / "locations.toml"
        file.write_text('resources = ["assignments"]\n' + "\n".join(entries))
        done = self.cluster.run("locations", "apply", str(file))
        if done.returncode:
            sys.exit(done.stderr)

    def ask(self, query: str, *values: object) -> list[Any]:
        """Ask the database."""
        with psycopg.connect(self.cluster.env["PAGETURNER_DATABASE_URL"]) as connection:
            return connection.execute(query, values).fetchall()

    def last_crawl(self) -> int:
        """Return the number of the newest crawl."""
        return int(self.ask("SELECT coalesce(max(id), 0) FROM crawls")[0][0])

    def pages_since(self, last: int) -> int:
        """Count the pages that were read by crawls after a number."""
        return int(self.ask("SELECT count(*) FROM pages WHERE crawl_id > %s", last)[0][0])

    def read_again(self) -> None:
        """Have every list read in full."""
        self.ask("UPDATE streams SET due_at = now(), full_wanted = 'asked for', full_after = NULL RETURNING id")

    def await_in_step(self, uids: list[str], after: int = 0) -> dict[str, tuple[float, float]]:
        """Wait until locations are in step by crawls after a number; tells since when they were wanted, and begun."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = {row[0]: (float(row[1]), float(row[2])) for row in self.ask(_IN_STEP, after)}
            if set(uids) <= set(found):
                return {uid: found[uid] for uid in uids}
            if time.monotonic() > until:
                sys.exit(f"only {len(set(uids) & set(found))} of {len(uids)} came into step")
            time.sleep(0.5)

    def slots(self) -> dict[str, float]:
        """Return how long slots waited for Apple, and for a permit, since the workers began to count."""
        with Redis.from_url(self.cluster.env["PAGETURNER_REDIS_URL"]) as redis:
            counts = MetricsStore(redis).read()
        return {
            name: sum(one.value for one in counts if one.name == f"{name}_sum")
            for name in ("page_seconds", "permit_seconds", "publish_seconds")
        }

    def most_in_flight(self, uids: list[str]) -> int:
        """Return how many requests any location ever had in flight."""
        return max(int(self.cluster.apple.traffic(uid)["most_in_flight"]) for uid in uids)

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds that each part has used."""
        return {"workers": cpu_of(self.workers), "database": server_cpu()}

    def memory(self) -> dict[str, float]:
        """Return how much memory each part uses, in MB: what is its own, and its part of what is shared."""
        with Redis.from_url(self.cluster.env["PAGETURNER_REDIS_URL"]) as redis:
            broker: Any = redis.info("memory")
        backends = [one for one in psutil.process_iter(["name"]) if one.info["name"] == "postgres"]
        return {
            "broker": broker["used_memory"] / 1e6,
            "workers": sum(psutil.Process(one.pid).memory_full_info().pss for one in self.workers) / 1e6,
            "database": sum(_pss(one) for one in backends) / 1e6,
        }


def _pss(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        return float(process.memory_full_info().pss)
    return 0.0


@contextlib.contextmanager
def running(locations: int, threads: int = THREADS) -> Iterator[Bench]:
    """Run an installation for the length of the block."""
    size = ["--assets", "5", "--assignments", str(PAGE), "--users", "0", "--page-size", str(PAGE)]
    size += ["--subscriptions", "0", "--subscription-assignments", "0", "--subscription-admins", "0"]
    size += ["--licenses", "0", "--legacy-users", "0", "--latency", "100", "--locations", str(locations)]
    with (
        tempfile.TemporaryDirectory() as home,
        redis_server() as redis,
        bare_cluster(Path(home), *size, redis=redis) as cluster,
        running_workers(cluster.env, processes_=PROCESSES, threads=threads, log=Path(home) / "workers.log") as workers,
    ):
        command = [str(Path(sys.executable).with_name("pageturner")), "beat"]
        beat = processes.start(command, log=subprocess.DEVNULL, env=cluster.env)
        try:
            tokens = {one["uid"]: one["token"] for one in cluster.apple.locations}
            yield Bench(cluster=cluster, workers=workers, tokens=tokens)
        finally:
            processes.stop(beat)


def neighbours() -> None:
    with running(104) as bench:
        uids = list(bench.tokens)
        big, small, dice = uids[:4], uids[4:], random.Random(1)
        for uid in big:
            bench.grow(uid, 400)
        for uid in small:
            bench.grow(uid, dice.randint(1, 3))
        bench.keep(big)
        while not bench.ask("SELECT count(*) FROM pages WHERE index > 20")[0][0]:
            time.sleep(0.1)
        before, begun = bench.slots(), time.monotonic()
        bench.keep(small)
        seconds = bench.await_in_step(small)
        wall, after = time.monotonic() - begun, bench.slots()
        still = bench.ask("SELECT count(*) FROM crawls WHERE state = 'open'")[0][0]
        print(f"{len(small)} small ones beside {still} of 4 big ones that are still being read")
        for place, what in enumerate(("from being added", "from being begun")):
            times = sorted(one[place] for one in seconds.values())
            print(f"  in step {what}: p50 {times[49]:.2f} s  p95 {times[94]:.2f} s  max {times[-1]:.2f} s")
        total = PROCESSES * THREADS * wall
        spent = {name: (after[name] - before[name]) / total for name in after}
        print(
            f"  slots: {spent['page_seconds']:.0%} wait for Apple, {spent['permit_seconds']:.1%} for a permit, "
            f"{1 - spent['page_seconds'] - spent['permit_seconds']:.0%} work or wait for work"
        )
        bench.await_in_step(big)
        print(f"  most in flight of any: {bench.most_in_flight(uids)}")


def thousand(count: int) -> None:
    with running(count, MANY_THREADS) as bench:
        uids, dice = list(bench.tokens), random.Random(2)
        for uid in uids:
            bench.grow(uid, dice.randint(1, 5))
        print(f"{count} locations")
        for number in (1, 2, 3, 4):
            spent = bench.cpu()
            last = bench.last_crawl()
            begun = time.monotonic()
            if number == 1:
                bench.keep(uids)
                print(f"  added after {time.monotonic() - begun:.1f} s: Apple was asked whose each token is")
            elif number == 4:  # noqa: PLR2004 - the last
                bench.ask("UPDATE streams SET due_at = now() RETURNING id")
            else:
                bench.read_again()
            bench.await_in_step(uids, last)
            wall = time.monotonic() - begun
            pages = bench.pages_since(last)
            memory = "  ".join(f"{name} {size:.0f} MB" for name, size in bench.memory().items())
            speed = f"{pages} pages, {pages / wall:.0f} pages/s, {count / wall:.0f} locations/s"
            of_each = "  ".join(
                f"{name} {(after - before) / count * 1000:.0f} ms"
                for (name, after), before in zip(bench.cpu().items(), spent.values(), strict=True)
            )
            print(f"  round {number}: all in step after {wall:.1f} s, {speed}   {memory}   CPU a location: {of_each}")
        print(f"  most in flight of any: {bench.most_in_flight(uids)}")


if __name__ == "__main__":
    chosen = sys.argv[1:2] or ["neighbours", "thousand"]
    if "neighbours" in chosen:
        neighbours()
    if "thousand" in chosen:
        thousand(int((sys.argv[2:] or ["1000"])[0]))
