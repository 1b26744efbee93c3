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
from typing import TYPE_CHECKING, Any

from apple.resources import RESOURCES, Paging
from apple.tokens import parse_token
from orchestration.gate.client import TERMINAL_WAIT_SECONDS
from orchestration.gate.memory import IN_FLIGHT_LIMIT
from storage.ledger.progress import ProgressReport
from storage.locations import Location

from ..embedded import processes
from ..exits import Exit, Failure
from ..terminal import say, say_command, write
from .context import CommandContext, with_workers
from .display import showing
from .follower import SyncFollower, follow_names

if TYPE_CHECKING:
    from tasks.services import Services

LATENCY_MS = 150
_SIZE = ["--assets", "60", "--assignments", "60000", "--users", "5000", "--page-size", "100"]
_SIZE += ["--subscriptions", "150", "--subscription-assignments", "800", "--subscription-admins", "40"]
_SIZE += ["--licenses", "3000", "--legacy-users", "600"]
_START_SECONDS = 30.0
_CHAINED = tuple(name for name, resource in RESOURCES.items() if resource.paging is Paging.CURSOR)

#: What happens to the organisation while it is read: before the n-th request for a resource.
_CHANGES = [
    {"resource": "assignments", "at_request": 150, "insert": 3, "remove": 2, "where": "front"},
    {"resource": "assignments", "at_request": 300, "insert": 180, "remove": 60, "where": "random"},
    {"resource": "users", "at_request": 20, "insert": 4, "retire": 5, "where": "front"},
    {"resource": "subscription-assignments", "at_request": 5, "insert": 3, "remove": 2, "where": "front"},
    {"resource": "licenses", "at_request": 12, "update": 40},
]

#: What happens after the first sync, for the second.
_LATER = [
    {"resource": "assignments", "insert": 120, "remove": 30, "where": "random"},
    {"resource": "users", "update": 10},
    {"resource": "subscriptions", "update": 3},
    {"resource": "legacy-users", "insert": 5, "where": "end"},
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


def demonstrate(*, is_kept: bool) -> None:
    """Crawl a simulated organisation and compare the mirror with the truth; raise Failure if they differ."""
    home = Path(tempfile.mkdtemp(prefix="pageturner-demo-"))
    try:
        with _environment(home), _simulator() as apple:
            is_exact = _run(apple, is_kept=is_kept)
    finally:
        if not is_kept:
            shutil.rmtree(home, ignore_errors=True)
    if is_kept:
        say("The mirror is kept. Ask it, for instance:")
        say_command(f"PAGETURNER_HOME={home} {Path(sys.executable).parent / 'pageturner'} report licences")
    if not is_exact:
        raise Failure("The mirror is not what Apple has.", Exit.FAILED)


def _run(apple: _Apple, *, is_kept: bool) -> bool:
    os.environ["PAGETURNER_APPLE_URL"] = apple.origin
    sizes = {name: len(apple.truth(name)) for name in RESOURCES}
    records = f"{len(sizes)} lists of {sum(sizes.values()):,} records"
    say(f"Simulating Apple at {apple.origin}, {LATENCY_MS} ms an answer: {records}.")
    say("The data change while they are read: pages shift, totals grow, versions and cursors move.")
    with with_workers() as context:
        location = _add(context.services, apple)
        apple.ask("changes", _CHANGES)
        begun = time.monotonic()
        first = _sync(context, location)
        seconds = time.monotonic() - begun
        traffic = json.loads(apple.ask("traffic"))
        apple.ask("changes", _LATER)
        say("Some more has changed, and now the data are quiet: a second sync asks for the difference.")
        again = _sync(context, location)
        is_exact = _compare(context.services, apple, first, again)
        if is_kept:  # with the names of the apps, for which Apple says in which country's store they are
            context.services.use_cases.token_checker.check(location, TERMINAL_WAIT_SECONDS)
            follow_names(context.services)
        return _judge(traffic, seconds, json.loads(apple.ask("traffic")), is_exact=is_exact)


def _sync(context: CommandContext, location: Location) -> list[ProgressReport]:
    sync_id = context.services.use_cases.syncer.open(location, None, full=False)
    assert sync_id is not None  # noqa: S101 - the location watches something
    with showing(context.services) as show:
        return SyncFollower(context, [sync_id]).follow(show)


def _add(services: "Services", apple: _Apple) -> Location:
    return services.store.locations.add("demo", apple.uid, parse_token(apple.token.encode()), None, list(RESOURCES))


def _compare(services: "Services", apple: _Apple, first: list[ProgressReport], again: list[ProgressReport]) -> bool:
    """Compare the mirror with the truth, record by record."""
    location = services.store.locations.find(apple.uid)
    is_exact = all(report.is_in_step for report in [*first, *again])
    for resource in RESOURCES:
        truth = collections.Counter(_canonical(line) for line in apple.truth(resource))
        mirror = collections.Counter(
            _canonical(line) for line in services.store.exporter.records(resource, location.id)
        )
        wrong = (truth - mirror).total() + (mirror - truth).total()
        is_exact &= wrong == 0
        reads = f"{_told(first, resource)}; then {_told(again, resource)}"
        write(f"{resource:24} {mirror.total():6,} {f'{wrong} differ' if wrong else 'as at Apple'}  {reads}")
    return is_exact


def _told(reports: list[ProgressReport], resource: str) -> str:
    """Return how one sync read a resource."""
    mine = [report for report in reports if report.resource == resource]
    kinds = [f"{report.kind} of {report.pages} {'page' if report.pages == 1 else 'pages'}" for report in mine]
    drift = sum(report.drift for report in mine)
    return ", ".join(kinds) + (f" (read again {drift}x)" if drift else "")


def _judge(traffic: dict[str, Any], seconds: float, in_all: dict[str, Any], *, is_exact: bool) -> bool:
    chained = sum(traffic["by_resource"].get(name, 0) for name in _CHAINED)
    ideal = LATENCY_MS / 1000 * (chained + math.ceil((traffic["requests"] - chained) / IN_FLIGHT_LIMIT))
    most, refused, most_chained = in_all["most_in_flight"], in_all["refused"], in_all["most_chained"]
    write(f"{'in flight':24} at most {most} by Apple's count, {refused} refused; along cursors at most {most_chained}")
    write(f"{'first sync':24} {seconds:.1f} s for {traffic['requests']} requests, {seconds / ideal:.2f} of the ideal:")
    write(f"{'':24} five at a time, and one along cursors, cannot take less than {ideal:.1f} s")
    write(f"{'second sync':24} {in_all['requests'] - traffic['requests']} requests")
    is_exact &= most <= IN_FLIGHT_LIMIT and refused == 0 and most_chained == 1
    write(f"{'verdict':24} {'exact' if is_exact else 'NOT EXACT'}")
    return is_exact


def _canonical(line: str | bytes) -> str:
    record = json.loads(line)
    return json.dumps({name: value for name, value in record.items() if value is not None}, sort_keys=True)


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
    program = "from entrypoints.cli.main import run; run()"
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
