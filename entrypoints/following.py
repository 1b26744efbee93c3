"""Following syncs to their end, on behalf of somebody who waits."""

import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from storage.progress import ProgressReport

from .exits import Exit, Failure
from .living import find_workers

if TYPE_CHECKING:
    from tasks.house import House

    from .living import Living

_LOOK_SECONDS = 0.2

#: There may be no beat: whoever waits looks after what is waited for.
_TEND_SECONDS = 2.0

#: Nothing moved for so long: are there any workers left?
_STILL_SECONDS = 10.0

#: A gate that Apple wants shut for longer than this is not waited for; the ledger keeps what there is.
_SHUT_LIMIT_SECONDS = 300.0


class Following:
    """Waits for syncs, and shows how far their crawls are."""

    def __init__(self, living: "Living", sync_ids: list[int]) -> None:
        self._house: House = living.house
        self._worker = living.worker
        self._sync_ids = sync_ids
        self._tended = self._moved = time.monotonic()
        self._seen: list[ProgressReport] = []

    def follow(self, show: Callable[[list[ProgressReport]], None]) -> list[ProgressReport]:
        """Wait until all are over."""
        while True:
            reports, is_over = self._house.syncing.report(self._sync_ids)
            show(reports)
            if is_over:
                return reports
            self._check(reports)
            time.sleep(_LOOK_SECONDS)

    def _check(self, reports: list[ProgressReport]) -> None:
        _check_worker(self._worker)
        self._check_movement(reports)
        if time.monotonic() - self._tended < _TEND_SECONDS:
            return
        self._tended = time.monotonic()
        self._house.reviving.tend(self._sync_ids)
        for location in {report.uid: report.location for report in reports if not report.is_over}.items():
            self._check_gate(*location)

    def _check_movement(self, reports: list[ProgressReport]) -> None:
        """Look after workers that this command did not start, where nothing moves."""
        now = time.monotonic()
        if reports != self._seen:
            self._seen, self._moved = reports, now
        elif self._worker is None and now - self._moved > _STILL_SECONDS:
            find_workers()
            self._moved = now

    def _check_gate(self, uid: str, name: str) -> None:
        seconds = self._house.gate.look(uid).shut_seconds
        if seconds > _SHUT_LIMIT_SECONDS:
            words = f"Apple wants no requests for '{name}' for {seconds / 60:.0f} minutes. What was read is kept."
            raise Failure(words, Exit.AWAY)


def _check_worker(worker: "subprocess.Popen[bytes] | None") -> None:
    if worker is not None and worker.poll() is not None:
        raise Failure("The embedded worker ended; servers.log in PAGETURNER_HOME says why.", Exit.FAILED)
