"""Follower: a command waits for syncs, and for the names of what they brought."""

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from advice import advise, explain
from orchestration.gate.client import NAMES
from storage.errors import DatabaseAway, StorageError
from storage.ledger.progress import ProgressReport
from storage.states import CrawlState, Trouble

from ..embedded.servers import refuse_full
from ..exits import Exit, Failure
from ..terminal import say
from .context import NoWorker, find_workers

if TYPE_CHECKING:
    from tasks.services import Services

    from .context import CommandContext

#: How often a command looks; where thousands of crawls are under way, a look takes no more than a part of the time.
_LOOK_SECONDS = 0.2
_LOOK_SHARE = 5.0

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


def tell_all(services: "Services") -> None:
    """Tell people and programs what this command brought: where no scheduler runs, nobody else does it."""
    with contextlib.suppress(StorageError, KeyboardInterrupt):
        services.use_cases.hook_sender.deliver()
        services.use_cases.teller.tell()
        services.use_cases.teller.send()


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
        #: What was seen last.
        self.reports: list[ProgressReport] = []
        self._outage_since: float | None = None
        #: Since when a server, or every worker, does not answer this command.
        self._away_since: float | None = None
        self._is_told = False

    def begin(self, opening: Iterable[int], show: Callable[[list[ProgressReport]], None]) -> None:
        """Follow more syncs, which are opened one after the other: the first are under way when the last begins."""
        shown = time.monotonic()
        for sync_id in opening:
            self._sync_ids.append(sync_id)
            if time.monotonic() - shown > _LOOK_SECONDS:
                begun = time.monotonic()
                self.reports, _ = self._services.use_cases.syncer.report(self._sync_ids)
                show(self.reports)
                shown = time.monotonic() + _LOOK_SHARE * (time.monotonic() - begun)

    def follow(self, show: Callable[[list[ProgressReport]], None]) -> list[ProgressReport]:
        """Wait until all are over. Crawls that are not waited for any more are reported as failed, with the reason.

        Servers that are away for a while are waited for: the ledger has what was read, and workers go on by themselves.
        """
        while True:
            begun = time.monotonic()
            try:
                reports, is_over = self._services.use_cases.syncer.report(self._sync_ids)
                self.reports = reports = [self._seen(report) for report in reports]
                show(reports)
                if is_over or (self._left and self._are_others_over(reports)):
                    return reports
                self._check(reports)
                self._away_since, self._is_told = None, False
            except (DatabaseAway, RedisError, OperationalError, NoWorker) as error:
                self._bear(error)
            time.sleep(max(_LOOK_SECONDS, _LOOK_SHARE * (time.monotonic() - begun)))

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
        found: dict[str, list[ProgressReport]] = {}
        for report in reports:
            found.setdefault(report.uid, []).append(report)
        for uid, mine in found.items():
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
