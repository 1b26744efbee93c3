"""`pageturner demo`: everything at once on this machine, against a simulated Apple, with a verdict."""

import collections
import contextlib
import json
import math
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apple.resources import RESOURCES
from apple.tokens import parse_token
from orchestration.gate.gate import IN_FLIGHT_LIMIT
from storage.locations import Location
from storage.progress import ProgressReport

from .. import processes
from ..exits import Exit, Failure
from ..following import Following
from ..living import Living, working
from ..printing import give, say
from ..showing import showing

if TYPE_CHECKING:
    from tasks.house import House

LATENCY_MS = 150
_SIZE = ["--assets", "60", "--assignments", "60000", "--users", "5000", "--page-size", "100"]
_START_SECONDS = 30.0

#: What happens to the organisation while it is read: before the n-th request for a resource.
_CHANGES = [
    {"resource": "assignments", "at_request": 150, "insert": 3, "remove": 2, "where": "front"},
    {"resource": "assignments", "at_request": 300, "insert": 180, "remove": 60, "where": "random"},
    {"resource": "users", "at_request": 20, "insert": 4, "retire": 5, "where": "front"},
]


@dataclass(frozen=True, kw_only=True)
class _Apple:
    """The simulator of this demo."""

    origin: str
    uid: str
    token: str

    def ask(self, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.origin}/simulator/{path}/{self.uid}", data, timeout=30) as answer:  # noqa: S310 - ours
            return bytes(answer.read())

    def truth(self, resource: str) -> list[bytes]:
        with urllib.request.urlopen(f"{self.origin}/simulator/truth/{self.uid}/{resource}", timeout=30) as answer:  # noqa: S310 - ours
            return bytes(answer.read()).splitlines()


def demo(
    *, keep: Annotated[bool, typer.Option("--keep", help="Leave the database, and say how to look at it.")] = False
) -> None:
    """Crawl a simulated organisation that changes while it is read, and compare the mirror with the truth.

    Example: pageturner demo --keep
    """
    home = Path(tempfile.mkdtemp(prefix="pageturner-demo-"))
    try:
        with _environment(home), _simulator() as apple:
            is_exact = _run(apple)
    finally:
        if not keep:
            shutil.rmtree(home, ignore_errors=True)
    if keep:
        say(f"The database is kept. Look at it with: PAGETURNER_HOME={home} pageturner status")
    if not is_exact:
        raise Failure("The mirror is not what Apple has.", Exit.FAILED)


def _run(apple: _Apple) -> bool:
    os.environ["PAGETURNER_APPLE_URL"] = apple.origin
    say(f"Simulating Apple at {apple.origin}: 60 assets, 60,000 assignments, 5,000 users, {LATENCY_MS} ms an answer.")
    say("The data change three times while they are read: pages shift, totals grow, versions move.")
    with working() as living:
        location = _add(living.house, apple)
        apple.ask("changes", _CHANGES)
        begun = time.monotonic()
        reports = _sync(living, location)
        seconds = time.monotonic() - begun
        traffic = json.loads(apple.ask("traffic"))
        say("The data are quiet now: a second sync takes what changed behind the first one's back.")
        again = _sync(living, location)
        is_exact = _compare(living.house, apple, reports, again)
        return _judge(traffic, seconds, json.loads(apple.ask("traffic")), is_exact=is_exact)


def _sync(living: Living, location: Location) -> list[ProgressReport]:
    crawl_ids = living.house.syncing.open(location, None, full=False)
    with showing(lambda uid: living.house.gate.look(uid).in_flight) as show:
        return Following(living, crawl_ids).follow(show)


def _add(house: "House", apple: _Apple) -> Location:
    return house.locations.add("demo", apple.uid, parse_token(apple.token.encode()), None, list(RESOURCES))


def _compare(house: "House", apple: _Apple, first: list[ProgressReport], again: list[ProgressReport]) -> bool:
    """Compare the mirror with the truth, record by record."""
    location = house.locations.find(apple.uid)
    is_exact = all(report.is_in_step for report in [*first, *again])
    for report in first:
        truth = collections.Counter(_canonical(line) for line in apple.truth(report.resource))
        mirror = collections.Counter(_canonical(line) for line in house.exporting.records(report.resource, location.id))
        wrong = (truth - mirror).total() + (mirror - truth).total()
        is_exact &= wrong == 0
        said = "as at Apple" if not wrong else f"{wrong} differ"
        give(f"{report.resource:12} {mirror.total():7,} records, {report.pages} pages, drift {report.drift}: {said}")
    return is_exact


def _judge(traffic: dict[str, Any], seconds: float, in_all: dict[str, Any], *, is_exact: bool) -> bool:
    ideal = LATENCY_MS / 1000 * math.ceil(traffic["requests"] / IN_FLIGHT_LIMIT)
    most, refused = in_all["most_in_flight"], in_all["refused"]
    give(f"{'in flight':12} at most {most} by Apple's count, {refused} refused")
    give(f"{'time':12} {seconds:.1f} s for {traffic['requests']} requests, {seconds / ideal:.2f} of the ideal:")
    give(f"{'':12} five at a time cannot take less than {ideal:.1f} s")
    is_exact &= most <= IN_FLIGHT_LIMIT and refused == 0
    give(f"{'verdict':12} {'exact' if is_exact else 'NOT EXACT'}")
    return is_exact


def _canonical(line: str | bytes) -> str:
    return json.dumps(json.loads(line), sort_keys=True)


@contextlib.contextmanager
def _environment(home: Path) -> Iterator[None]:
    """Run on nothing but this home, whatever the environment says."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("PAGETURNER_")]:
        del os.environ[name]
    os.environ.update({"PAGETURNER_HOME": str(home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _simulator() -> Iterator[_Apple]:
    program = "from entrypoints.main import run; run()"
    options = ["simulate", "--port", "0", "--latency", str(LATENCY_MS), *_SIZE]
    child = processes.start([sys.executable, "-c", program, *options], log=subprocess.PIPE)
    try:
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        if not select.select([child.stdout], [], [], _START_SECONDS)[0]:
            raise Failure("The simulator did not start.", Exit.FAILED)
        said = json.loads(child.stdout.readline())
        yield _Apple(origin=said["origin"], uid=said["locations"][0]["uid"], token=said["locations"][0]["token"])
    finally:
        processes.stop(child)
