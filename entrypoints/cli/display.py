"""Display: what a command shows of syncs while it waits for them."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from advice import advise
from apple.errors import SlowDown
from apple.texts import clean
from orchestration.decisions.age import spell_age
from orchestration.decisions.progress import SyncProgress, SyncStage, progress
from storage.ledger.progress import ProgressReport

from ..terminal import messages, say, shorten
from .outcome import causes

if TYPE_CHECKING:
    from tasks.services import Services

#: Shows reports as they come.
Show = Callable[[list[ProgressReport]], None]

#: How often a terminal is drawn a second, and how often a line is written where there is none.
_REFRESHES = 8
LINE_SECONDS = 15.0

#: Where there is no terminal, each list of so many locations is told; of more, each location; of still more, those
#: alone that failed.
_FEW = 3
_MANY = 50

#: However low a terminal is, so many locations have a bar.
_LEAST_BARS = 3

#: How many of the locations that need somebody are named.
_TROUBLES = 3

_NAME_WIDTH = 24


@contextlib.contextmanager
def showing(services: "Services") -> Iterator[Show]:
    """Yield a function that shows reports as they come: on a terminal in place, elsewhere a line from time to time."""
    rate = 0

    def look(reports: list[ProgressReport]) -> list[SyncProgress]:
        return progress(reports, services.store.closings.standing(), services.store.now(), rate)

    def find_rate() -> None:
        nonlocal rate
        rate = services.use_cases.limits.rate()

    if not messages.is_terminal:
        lines = Lines()
        yield lambda reports: lines.show(reports, look(reports))
        return
    bars = Bars()
    threading.Thread(target=find_rate, name="limits", daemon=True).start()  # Apple may take a minute to name it
    with Live(bars.draw([], []), console=messages, refresh_per_second=_REFRESHES, transient=True) as live:
        yield lambda reports: live.update(bars.draw(reports, look(reports)))


class Bars:
    """Draws a bar for each location at work, and below them what waits, rests and needs somebody."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._bars = Progress(*_columns(messages.width), console=messages, expand=True)
        self._tasks: dict[str, TaskID] = {}

    def draw(self, reports: list[ProgressReport], syncs: Sequence[SyncProgress]) -> Group:
        """Draw how far syncs are."""
        lines = [clean(line) for line in (*_lists(syncs), *_rests(syncs), *_troubles(reports, syncs), self._sum(syncs))]
        below = sum(1 + len(line) // messages.width for line in lines)
        shown = _shown(syncs, max(_LEAST_BARS, messages.height - below - 1))
        for uid in set(self._tasks) - {one.uid for one in shown}:
            self._bars.remove_task(self._tasks.pop(uid))
        for one in shown:
            self._update(one)
        return Group(self._bars, *(Text(line, overflow="fold", no_wrap=False) for line in lines))

    def _update(self, one: SyncProgress) -> None:
        if one.uid not in self._tasks:
            self._tasks[one.uid] = self._bars.add_task(shorten(clean(one.name), _NAME_WIDTH), total=None)
        self._bars.update(
            self._tasks[one.uid],
            completed=one.pages,
            total=one.total or None,
            pages=_pages(one),
            allowed=one.allowed,
            stage=one.stage,
        )

    def _sum(self, syncs: Sequence[SyncProgress]) -> str:
        elapsed = _clock(time.monotonic() - self._begun)
        if not syncs:
            return f"Beginning … {elapsed}"
        records = f"{sum(one.records for one in syncs):,} records"
        return f"{_counted(syncs)}{records}, {elapsed}"


def _shown(syncs: Sequence[SyncProgress], most: int) -> Sequence[SyncProgress]:
    """Return which locations have a bar: those at work and at rest, and if there is room, those that wait."""
    at_work = [one for one in syncs if one.stage in {SyncStage.AT_WORK, SyncStage.RESTING}]
    waiting = [one for one in syncs if one.stage is SyncStage.WAITING] if len(syncs) <= most else []
    return [*at_work, *waiting][:most]


def _columns(width: int) -> list[ProgressColumn]:
    """Return the columns that fit: a narrow terminal has no room for the time, and then none for the speed."""
    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn(bar_width=None)]
    columns.append(TextColumn("{task.fields[pages]}", justify="right"))
    if width >= 60:  # noqa: PLR2004 - columns of a terminal
        columns.append(_Speed())
    if width >= 76:  # noqa: PLR2004 - columns of a terminal
        columns.append(_Left())
    return columns


class _Speed(ProgressColumn):
    """Pages a second, and how many Apple allows."""

    def render(self, task: Task) -> Text:
        """Write them."""
        if (stage := task.fields.get("stage")) is not SyncStage.AT_WORK:
            return Text(str(stage), style="yellow", justify="right")
        if not task.speed:
            return Text("")
        allowed = task.fields.get("allowed")
        of = f" of {allowed:.0f}" if allowed else ""
        return Text(f"{task.speed:.1f}{of}/s", justify="right")


class _Left(ProgressColumn):
    """The time since the location came to work, and the time that is left."""

    def render(self, task: Task) -> Text:
        """Write them."""
        left = "" if task.time_remaining is None else f", {_clock(task.time_remaining)} left"
        return Text(f"{_clock(task.elapsed or 0.0)}{left}", justify="right")


class Lines:
    """Writes lines for a log: what became of each list or location, and from time to time how far the rest is."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._begun = self._last = time.monotonic()

    def show(self, reports: list[ProgressReport], syncs: Sequence[SyncProgress]) -> None:
        """Say what is new."""
        for key, words in _ended(reports, syncs):
            if key not in self._said:
                self._said.add(key)
                say(words)
                self._last = time.monotonic()
        if time.monotonic() - self._last >= LINE_SECONDS and any(one.stage not in _OVER for one in syncs):
            self._last = time.monotonic()
            say(f"{_clock(self._last - self._begun)}  {_told(syncs)}")


_OVER = {SyncStage.DONE, SyncStage.FAILED, SyncStage.NEEDS_YOU}


def _ended(reports: list[ProgressReport], syncs: Sequence[SyncProgress]) -> Iterator[tuple[str, str]]:
    """Yield a key and a line for what is over."""
    from .outcome import describe

    if len(syncs) <= _FEW:
        for report in reports:
            if report.is_over:
                words = f"{report.name} {report.resource}: {describe(report)}, {report.records} records read"
                yield str(report.crawl_id), words
        return
    for one in syncs:
        if one.stage in _OVER and (len(syncs) <= _MANY or one.stage is not SyncStage.DONE):
            yield one.uid, f"{one.name}: {one.stage}, {one.pages:,} pages, {one.records:,} records"


def _told(syncs: Sequence[SyncProgress]) -> str:
    """Return how far all is, in a line."""
    under_way = [one for one in syncs if one.stage not in _OVER]
    if len(under_way) > _FEW:
        return f"{_counted(syncs)}{sum(one.pages for one in syncs):,} pages read."
    return "; ".join(f"{one.name}: {_at(one)}" for one in under_way) + "."


def _at(one: SyncProgress) -> str:
    if one.stage is SyncStage.RESTING:
        return f"{_pages(one)} pages, {_rest(one)}"
    return f"{_pages(one)} pages, {one.stage}"


def _counted(syncs: Sequence[SyncProgress]) -> str:
    """Return how many locations are where: nothing for one alone."""
    if len(syncs) == 1:
        return ""
    counts = Counter(one.stage for one in syncs)
    return "".join(f"{counts[stage]:,} {stage} · " for stage in SyncStage if counts[stage])


def _lists(syncs: Sequence[SyncProgress]) -> Iterator[str]:
    """Yield what each list of a single location is at; those that are at the same together."""
    if len(syncs) != 1 or syncs[0].stage in _OVER:
        return
    found: dict[str, list[str]] = {}
    for resource, words in syncs[0].lists.items():
        found.setdefault(words, []).append(resource)
    yield " · ".join(f"{', '.join(resources)} {words}" for words, resources in found.items())


def _rests(syncs: Sequence[SyncProgress]) -> Iterator[str]:
    resting = [one for one in syncs if one.stage is SyncStage.RESTING]
    yield from (f"{one.name}: {_rest(one)}. {_why(one)}" for one in resting[:_TROUBLES])
    if len(resting) > _TROUBLES:
        yield f"{len(resting) - _TROUBLES:,} more locations rest."


def _rest(one: SyncProgress) -> str:
    left = spell_age(timedelta(seconds=one.rest_seconds))
    is_asked = one.closing is not None and one.closing.error == SlowDown.__name__
    return f"Apple asked for a rest, {left} left" if is_asked else f"Apple is asked again in {left}"


def _why(one: SyncProgress) -> str:
    return "" if one.closing is None else advise(one.closing.why, one.closing.error)


def _troubles(reports: list[ProgressReport], syncs: Sequence[SyncProgress]) -> Iterator[str]:
    """Yield why locations failed, of the first that did."""
    failed = {one.uid for one in syncs if one.stage in {SyncStage.FAILED, SyncStage.NEEDS_YOU}}
    words = causes([one for one in reports if one.uid in failed])
    yield from words[:_TROUBLES]
    if len(words) > _TROUBLES:
        yield f"{len(words) - _TROUBLES:,} more failed: all are named at the end."


def _pages(one: SyncProgress) -> str:
    more = "" if one.is_whole else "+"
    return f"{one.pages:,}/{one.total:,}{more}" if one.total else f"{one.pages:,}"


def _clock(seconds: float) -> str:
    """Return a time as 0:42 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
