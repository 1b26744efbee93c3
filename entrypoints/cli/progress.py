"""The progress of syncs, followed to their end for a command that waits."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from rich.live import Live
from rich.table import Table

from advice import advise, explain
from orchestration.gate.client import NAMES
from storage.errors import DatabaseAway
from storage.ledger.progress import ProgressReport
from storage.states import CrawlState, Trouble

from ..embedded.servers import refuse_full
from ..exits import Exit, Failure
from ..terminal import make_table, messages, say
from .context import NoWorker, find_workers

if TYPE_CHECKING:
    from tasks.services import Services

    from .context import CommandContext

_LOOK_SECONDS = 0.2

#: How long names are waited for.
NAMES_SECONDS = 15.0

#: There may be no beat: the command that waits tends its crawls itself.
_TEND_SECONDS = 2.0

#: After this long without progress, the workers are pinged.
_STILL_SECONDS = 10.0

#: A location whose gate is shut for longer is not waited for, nor is one without progress for this long;
#: the ledger keeps what was read.
LEAVE_SECONDS = 300.0

#: A publish is waited for longer: it shows no progress before its end.
_PUBLISH_SECONDS = 3_600.0

#: A server that is away for this long will not be back soon.
_OUTAGE_SECONDS = 40.0

#: An outage that is shorter is not reported.
_BLINK_SECONDS = 1.0


def follow_names(services: "Services") -> None:
    """Give the worker of this command some seconds for the names of new apps, once the result is printed.

    Where the service has trouble, nobody waits for it; nothing that goes wrong with names changes what a sync came to.
    """
    if services.use_cases.namer.is_on:
        with contextlib.suppress(DatabaseAway, RedisError, OperationalError, KeyboardInterrupt):
            _follow_names(services)


def _follow_names(services: "Services") -> None:
    until, is_told = time.monotonic() + NAMES_SECONDS, False
    services.store.listings.want_new()
    services.use_cases.namer.send()
    while time.monotonic() < until:
        count = services.store.listings.unnamed()
        if not count or services.gate.look(NAMES).shut_seconds:
            return
        if not is_told:
            say(f"Looking up the names of {count} apps and books. Ctrl-C leaves them to the next sync.")
        is_told = True
        time.sleep(_LOOK_SECONDS)


class SyncFollower:
    """Waits for syncs, and shows how far their crawls are."""

    def __init__(self, context: "CommandContext", sync_ids: list[int]) -> None:
        self._services: Services = context.services
        self._worker = context.worker
        self._sync_ids = sync_ids
        now = time.monotonic()
        self._tended = self._asked = now
        #: When a location last made progress, and what was seen of it then.
        self._moved: dict[str, tuple[float, list[ProgressReport]]] = {}
        self._left: dict[str, str] = {}
        self._outage_since: float | None = None
        #: Since when a server, or every worker, does not answer this command.
        self._away_since: float | None = None
        self._is_told = False

    def follow(self, show: Callable[[list[ProgressReport]], None]) -> list[ProgressReport]:
        """Wait until all are over. Crawls that are not waited for any more are reported as failed, with the reason.

        Servers that are away for a while are waited for: the ledger has what was read, and workers go on by themselves.
        """
        while True:
            try:
                reports, is_over = self._services.use_cases.syncer.report(self._sync_ids)
                reports = [self._seen(report) for report in reports]
                show(reports)
                if is_over or (self._left and self._are_others_over(reports)):
                    return reports
                self._check(reports)
                self._away_since, self._is_told = None, False
            except (DatabaseAway, RedisError, OperationalError, NoWorker) as error:
                self._bear(error)
            time.sleep(_LOOK_SECONDS)

    def _bear(self, error: Exception) -> None:
        """Go on although a server is away, unless it is for too long."""
        self._check_worker()
        now = time.monotonic()
        self._tended = 0.0  # the next turn asks every server again; if all answer, the outage is over
        self._away_since = self._away_since or now
        if now - self._away_since > _OUTAGE_SECONDS:
            raise error
        if now - self._away_since > _BLINK_SECONDS and not self._is_told:
            self._is_told = True
            say(f"{explain(error)} Waiting for up to {_OUTAGE_SECONDS:.0f} s: what was read is kept.")

    def _seen(self, report: ProgressReport) -> ProgressReport:
        if report.is_over or report.uid not in self._left:
            return report
        return replace(report, state=CrawlState.FAILED, reason=self._left[report.uid], trouble=Trouble.AWAY)

    def _are_others_over(self, reports: list[ProgressReport]) -> bool:
        left = {report.sync_id for report in reports if report.uid in self._left}
        return self._services.use_cases.syncer.report([one for one in self._sync_ids if one not in left])[1]

    def _check(self, reports: list[ProgressReport]) -> None:
        self._check_worker()
        self._check_movement(reports)
        if time.monotonic() - self._tended < _TEND_SECONDS:
            return
        self._tended = time.monotonic()
        self._check_outages()
        self._services.use_cases.reviver.tend(self._sync_ids)
        publishing = {report.uid for report in reports if report.state is CrawlState.SETTLED}
        for uid in {report.uid for report in reports if not report.is_over} - set(self._left):
            self._check_location(uid, is_publishing=uid in publishing)

    def _check_worker(self) -> None:
        if self._worker is not None and self._worker.poll() is not None:
            refuse_full(self._services.settings)
            raise Failure("The embedded worker ended; servers.log in PAGETURNER_HOME says why.", Exit.FAILED)

    def _check_movement(self, reports: list[ProgressReport]) -> None:
        """Ping workers that this command did not start, if nothing moves."""
        now = time.monotonic()
        for uid in {report.uid for report in reports}:
            mine = [report for report in reports if report.uid == uid]
            if uid not in self._moved or self._moved[uid][1] != mine:
                self._moved[uid] = now, mine
        if self._worker is None and now - max(self._asked, self._moved_last()) > _STILL_SECONDS:
            self._services.redis.ping()
            find_workers()
            self._asked = now

    def _moved_last(self) -> float:
        return max((moment for moment, _ in self._moved.values()), default=0.0)

    def _check_outages(self) -> None:
        """Raise an error if nothing moves because workers cannot store anything: the wait would never end."""
        try:
            words = self._services.board.read().get("The database")
        except RedisError:
            return  # the next turn shows it
        if words is None:
            self._outage_since = None
            return
        self._outage_since = self._outage_since or time.monotonic()
        if time.monotonic() - max(self._outage_since, self._moved_last()) > _OUTAGE_SECONDS:
            raise Failure(f"{words} What was read is kept; the next sync goes on from there.", Exit.AWAY)

    def _check_location(self, uid: str, *, is_publishing: bool) -> None:
        """Leave a location that would be waited for too long; not one that only waits for workers."""
        shut = self._services.gate.look(uid).shut_seconds
        still = time.monotonic() - self._moved_last()
        if shut <= LEAVE_SECONDS and still <= (_PUBLISH_SECONDS if is_publishing else LEAVE_SECONDS):
            return
        closing = self._services.store.closings.standing().get(uid)
        why = f" {advise(closing.why, closing.error)}" if closing is not None else ""
        if shut > LEAVE_SECONDS:
            words = f"Apple wants no requests for {shut / 60:.0f} minutes."
        else:
            words = f"Nothing came for {still / 60:.0f} minutes."
        self._left[uid] = f"{words}{why} What was read is kept."


#: Returns how many requests of a location are in flight.
InFlight = Callable[[str], int]

_REFRESHES = 8


@contextlib.contextmanager
def showing(in_flight: InFlight) -> Iterator[Callable[[list[ProgressReport]], None]]:
    """Return a function that shows reports as they come."""
    if not messages.is_terminal:
        yield _Lines()
        return
    with Live(console=messages, refresh_per_second=_REFRESHES, transient=True) as live:
        yield lambda reports: live.update(draw(reports, in_flight))


def draw(reports: list[ProgressReport], in_flight: InFlight) -> Table:
    """Draw reports as a table."""
    table = make_table("location", "stream", "read", "state", "pages", "records", "in flight", "drift")
    shown = ""
    for report in reports:
        first = report.uid != shown
        shown = report.uid
        table.add_row(
            report.name if first else "",
            report.resource,
            report.kind,
            describe(report),
            f"{report.pages:,}/{report.total:,}" if report.total else f"{report.pages:,}",
            f"{report.records:,}",
            f"{in_flight(report.uid)}/5" if first else "",
            str(report.drift) if report.drift else "",
        )
    return table


def describe(report: ProgressReport) -> str:
    """Return the state of a crawl in a word or two."""
    if report.state is CrawlState.OPEN:
        return "reading"
    if report.state is CrawlState.SETTLED:
        return "publishing"
    if report.state is CrawlState.PUBLISHED and report.held_deletes:
        return f"published, {report.held_deletes} deletes held"
    if report.state is CrawlState.PUBLISHED and not report.is_consistent:
        return "published, torn"
    return str(report.state)


class _Lines:
    """Says once what became of each stream."""

    def __init__(self) -> None:
        self._said: set[int] = set()

    def __call__(self, reports: list[ProgressReport]) -> None:
        for report in reports:
            if report.is_over and report.crawl_id not in self._said:
                self._said.add(report.crawl_id)
                say(f"{report.name} {report.resource}: {describe(report)}, {report.records} records read")


def causes(reports: list[ProgressReport]) -> list[str]:
    """Return a line for each reason of failed crawls; crawls of a location with one reason share a line."""
    found: dict[tuple[str, str], list[str]] = {}
    for report in reports:
        if report.reason:
            found.setdefault((report.name, _cause(report)), []).append(report.resource)
    return [f"{location} {', '.join(dict.fromkeys(names))}: {cause}" for (location, cause), names in found.items()]


def _cause(report: ProgressReport) -> str:
    """Return why a crawl failed, and what to do about it, without the page that it was."""
    reason = report.reason or ""
    where, _, cause = reason.partition(": ")
    return advise(cause if cause and where.startswith(report.resource) else reason, report.error, report.name)
