"""Showing progress: a live table where somebody watches a terminal, a line a stream where nobody does."""

import contextlib
from collections.abc import Callable, Iterator

from rich.live import Live
from rich.table import Table

from storage.progress import ProgressReport

from .printing import make_table, messages, say

#: Tells how many requests of a location are in flight.
InFlight = Callable[[str], int]

_REFRESHES = 8


@contextlib.contextmanager
def showing(in_flight: InFlight) -> Iterator[Callable[[list[ProgressReport]], None]]:
    """Give a function that shows reports as they come."""
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
            report.location if first else "",
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
    """Say in a word or two where a crawl is."""
    if report.state == "open":
        return "reading"
    if report.state == "settled":
        return "publishing"
    if report.state == "published" and report.held_deletes:
        return f"published, {report.held_deletes} deletes held"
    if report.state == "published" and not report.is_consistent:
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
                say(f"{report.location} {report.resource}: {describe(report)}, {report.records} records read")


def causes(reports: list[ProgressReport]) -> list[str]:
    """Say why crawls failed: what several of a location failed for is one line."""
    found: dict[tuple[str, str], list[str]] = {}
    for report in reports:
        if report.reason:
            found.setdefault((report.location, _cause(report)), []).append(report.resource)
    return [f"{location} {', '.join(dict.fromkeys(names))}: {cause}" for (location, cause), names in found.items()]


def _cause(report: ProgressReport) -> str:
    """Leave out which page of which list it was."""
    where, _, cause = (report.reason or "").partition(": ")
    return cause if cause and where.startswith(report.resource) else report.reason or ""
