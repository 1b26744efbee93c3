"""Pageturner beside its peers: the same list from the same server into the same PostgreSQL, in one run.

A list of 353 pages of 549 assignments is read from a simulated Apple that takes a fixed time for each answer: once
into an empty database, and once more with nothing changed. Each contender is run in turn, and all of that three times;
what is printed are medians. Before each run a fixed loop is timed: it says how fast the machine is at that moment.

The peers are installed by this program, in environments of their own beneath `bench/.peers`, and never by the project.
PostgreSQL runs as it is installed, with fsync. `--write` puts the table and the pictures into docs/benchmarks.md.

usage: python bench/beside.py [--write] [--rounds 3] [--only NAME,NAME] [LATENCY_MS ...]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from crawl import ASSIGNMENTS, LAST, PAGES, SIZE, ideal_of, installation, is_exact
from meters import cpu_of, peak_of, server_cpu, spun
from pictures import bars
from reading import read_alone

from orchestration.gate.memory import IN_FLIGHT_LIMIT
from tests.support.processes import COMMAND, Apple, running_simulator
from tests.support.servers import make_database, postgresql_server

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "bench" / ".peers"
DOCUMENT = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What we are compared with: how it is installed, and where it keeps what it read."""

    name: str
    label: str
    requirements: tuple[str, ...]
    #: Where it keeps the records.
    table: str
    #: Too slow to be measured more than once, and at more than one latency.
    is_sequential: bool = False


PEERS = (
    Peer(
        name="script",
        table="mirror",
        label="requests, five threads, exact difference",
        requirements=("requests", "psycopg[binary]"),
    ),
    Peer(
        name="spider",
        table="mirror",
        label="Scrapy, an item a page",
        requirements=("scrapy", "psycopg[binary]"),
    ),
    Peer(
        name="dlt_parallel",
        table="bench.assignments",
        label="dlt, parallel by hand",
        requirements=("dlt[postgres]", "requests"),
    ),
    Peer(
        name="dlt_stock",
        table="bench.assignments",
        label="dlt, its REST source",
        requirements=("dlt[postgres]",),
        is_sequential=True,
    ),
    Peer(
        name="tap",
        table="bench.assignments",
        label="Singer: a tap and a target",
        requirements=("singer-sdk", "meltanolabs-target-postgres"),
        is_sequential=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one run took."""

    wall: float
    #: Of the programs, with whatever they started, and of PostgreSQL. Ours are workers, and the command that waits.
    cpu: float
    server_cpu: float
    peak: float
    spin: float
    #: From the first request to the last page stored, and from there to the commit; only ours can tell.
    reading: float | None = None
    tail: float | None = None
    #: How much of the CPU was the workers'.
    workers_cpu: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure Pageturner beside its peers.")
    parser.add_argument("latency", nargs="*", type=int, default=[20, 50, 200])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    chosen = parser.parse_args()
    peers = [peer for peer in PEERS if not chosen.only or peer.name in chosen.only.split(",")]
    versions = {peer.name: install(peer) for peer in peers}
    tables, pictures = [], []
    for milliseconds in chosen.latency:
        found, floor = measure(milliseconds / 1000, peers, chosen.rounds, is_first=milliseconds == chosen.latency[0])
        tables.append(table(milliseconds, found, floor))
        pictures.append((milliseconds, found))
        print(tables[-1], flush=True)
    if chosen.write:
        write(tables, pictures, versions, chosen.rounds)


def measure(
    latency: float, peers: list[Peer], rounds: int, *, is_first: bool
) -> tuple[dict[str, list[Figures]], float]:
    """Run every contender in turn, several times.

    Return the figures by contender and what it did, and the seconds of those who read and do nothing else.
    """
    found: dict[str, list[Figures]] = defaultdict(list)
    alone = []
    with (
        postgresql_server(is_durable=True) as server,
        running_simulator("--latency", str(latency * 1000), *SIZE) as apple,
    ):
        for number in range(rounds):
            alone.append(apart(read_alone, apple.origin, apple.token, PAGES))
            run("Pageturner", ours(apple, make_database(server, f"ours{number}")), found)
            for peer in peers:
                if not peer.is_sequential or (is_first and number == 0):
                    run(peer.label, theirs(peer, apple, make_database(server, f"{peer.name}{number}")), found)
    return found, statistics.median(alone)


def run(label: str, runs: Iterator[Figures], found: dict[str, list[Figures]]) -> None:
    """Take the figures of a first load, and of one with nothing changed."""
    for what, figures in zip(("first", "unchanged"), runs, strict=True):
        print(
            f"  {label}, {what}: {figures.wall:.2f} s, CPU {figures.cpu:.2f} + {figures.server_cpu:.2f} s", flush=True
        )
        found[f"{label}|{what}"].append(figures)


def ours(apple: Apple, database: str) -> Iterator[Figures]:
    """Sync with two worker processes, which run already, as they do; the mirror must be exact, with five in flight."""
    apple.forget_traffic()
    with installation(apple, database) as (env, workers):
        for _ in range(2):
            spin, busy = spun(), cpu_of(workers)
            figures = timed([COMMAND, "sync", "--full"], env, spin)
            of_workers = cpu_of(workers) - busy
            with psycopg.connect(database) as connection:
                reading, tail, *_ = connection.execute(LAST).fetchone() or (0, 0)
            yield replace(
                figures,
                cpu=figures.cpu + of_workers,
                workers_cpu=of_workers,
                peak=max(peak_of(worker.pid) for worker in workers),
                reading=float(reading),
                tail=float(tail),
            )
        assert apple.traffic()["most_in_flight"] <= IN_FLIGHT_LIMIT
        assert apart(is_exact, env, apple), "the mirror differs from the truth"


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own: what this one has held counts as the peak of all that it starts."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def theirs(peer: Peer, apple: Apple, database: str) -> Iterator[Figures]:
    """Run a peer twice, on a database of its own; it must have every record."""
    address = database.replace("postgres@", "postgres:none@")  # dlt insists on a password
    with tempfile.TemporaryDirectory() as home:
        env = {"HOME": home, "PATH": "/usr/bin:/bin"}
        arguments = [apple.origin, apple.token, address]
        command = [str(python_of(peer)), str(ROOT / "bench" / "peers" / f"{peer.name}.py"), *arguments]
        if peer.name == "tap":
            command = singer(peer, Path(home), *arguments)
        for _ in range(2):
            yield timed(command, env, spun(), folder=home)
        with psycopg.connect(database) as connection:
            [count] = connection.execute(f"SELECT count(*) FROM {peer.table}").fetchone() or (0,)
        assert count == ASSIGNMENTS, f"{peer.name} has {count} records"


def singer(peer: Peer, home: Path, origin: str, token: str, address: str) -> list[str]:
    """Return the command of a tap and its target, which are two programs."""
    (home / "tap.json").write_text(json.dumps({"origin": origin, "token": token}))
    address = address.replace("postgresql:", "postgresql+psycopg:")
    (home / "target.json").write_text(json.dumps({"sqlalchemy_url": address, "default_target_schema": "bench"}))
    tap = f"{python_of(peer)} {ROOT / 'bench' / 'peers' / 'tap.py'} --config {home / 'tap.json'}"
    target = f"{python_of(peer).parent / 'target-postgres'} --config {home / 'target.json'}"
    return ["/bin/sh", "-c", f"{tap} 2>/dev/null | {target} >/dev/null 2>&1"]


def timed(command: list[str], env: dict[str, str], spin: float, folder: str | None = None) -> Figures:
    """Run a command and return what it took, with all that it started."""
    servers, begun = server_cpu(), time.monotonic()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, env=env, cwd=folder, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        said.seek(0)
        assert not child.returncode, said.read().decode()[-2000:]
    return Figures(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        server_cpu=server_cpu() - servers,
        peak=usage.ru_maxrss / 1024,
        spin=spin,
    )


def server_version() -> str:
    """Return the version of PostgreSQL."""
    with postgresql_server() as server, psycopg.connect(server) as connection:
        return f"PostgreSQL {connection.info.server_version // 10_000}.{connection.info.server_version % 10_000}"


def python_of(peer: Peer) -> Path:
    """Return the interpreter of a peer's environment."""
    return FOLDER / peer.name / "bin" / "python"


def install(peer: Peer) -> str:
    """Install a peer, unless that was done; return the versions of what it consists of."""
    if not python_of(peer).exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / peer.name], check=True)
        pip = [str(python_of(peer)), "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", *peer.requirements], check=True)
    names = [requirement.partition("[")[0] for requirement in peer.requirements]
    ask = f"from importlib.metadata import version; print(*(f'{{n}} {{version(n)}}' for n in {names}), sep=', ')"
    return subprocess.run([python_of(peer), "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


def median(some: list[Figures], name: str) -> float:
    """Return the median of a figure."""
    return float(statistics.median(getattr(one, name) for one in some))


def table(milliseconds: int, found: dict[str, list[Figures]], floor: float) -> str:
    """Write the figures of one latency as a table."""
    ideal = ideal_of(milliseconds / 1000)
    alone = f"the reading alone took {floor / ideal:.3f} of it"
    lines = [
        f"**{milliseconds} ms an answer** (the ideal is {ideal:.2f} s, {alone})",
        "",
        "| | wall | of the ideal | last page / ideal | tail | CPU | PostgreSQL | CPU in all | peak | loop |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, some in found.items():
        wall, cpu, server = (median(some, name) for name in ("wall", "cpu", "server_cpu"))
        of_page, tail, workers = "", "", ""
        if some[0].reading is not None:
            of_page, tail = f"{median(some, 'reading') / ideal:.3f}", f"{median(some, 'tail'):.2f} s"
            workers = f" (workers {median(some, 'workers_cpu'):.2f} s)"
        cells = (
            *(key.replace("|", ", "), f"{wall:.2f} s", f"{wall / ideal:.2f}", of_page, tail),
            *(f"{cpu:.2f} s{workers}", f"{server:.2f} s", f"{cpu + server:.2f} s"),
            *(f"{median(some, 'peak'):.0f} MB", f"{median(some, 'spin'):.0f} ms"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write(
    tables: list[str], measured: list[tuple[int, dict[str, list[Figures]]]], versions: dict[str, str], rounds: int
) -> None:
    """Put what was measured into the document, between its two marks, and draw it."""
    today = datetime.now(tz=UTC).date()
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}, {server_version()}"
    peers = ", ".join(sorted({one for of_peer in versions.values() for one in of_peer.split(", ")}))
    how = f"Medians of {rounds} rounds; of those who read one page after the other, one."
    lines = [f"Measured on {today}: {machine}; {peers}. {how}", ""]
    for milliseconds, found in measured:
        picture = DOCUMENT.parent / "benchmarks" / f"cpu-{milliseconds}.svg"
        picture.parent.mkdir(exist_ok=True)
        rows = [
            (key.replace("|", ", "), [median(some, "cpu"), median(some, "server_cpu")]) for key, some in found.items()
        ]
        picture.write_text(bars(f"CPU seconds, {milliseconds} ms an answer", ("programs", "PostgreSQL"), rows))
        lines += [tables.pop(0), "", f"![CPU seconds at {milliseconds} ms](benchmarks/{picture.name})", ""]
    begin, end = "<!-- measured: begin -->", "<!-- measured: end -->"
    text = DOCUMENT.read_text()
    head, rest = text.split(begin)
    DOCUMENT.write_text(f"{head}{begin}\n\n" + "\n".join(lines) + f"\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    main()
