"""The outcome of syncs: a table of what changed, one sentence, and a line for each cause of a failure."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from advice import advise
from orchestration.decisions.age import spell_age
from storage.ledger.progress import ProgressReport
from storage.ledger.waits import Wait
from storage.states import CrawlState

from ..terminal import print_rows, results, say

#: The most important first: a terminal shows as many as fit.
_COLUMNS = ("location", "stream", "state", "records", "changed", "pages", "read")

#: Of more lists than this, a terminal shows those alone that need somebody, and as many of them.
_ROWS = 40


def print_outcome(reports: Sequence[ProgressReport]) -> None:
    """Print a row for each list; of very many on a terminal, for those alone that are not in step, and a sum."""
    rows = _by_stream(reports)
    is_folded = results.is_terminal and len(rows) > _ROWS
    shown = [row for row in rows if not _is_settled(row)] if is_folded else rows
    if shown:
        print_rows(_COLUMNS, [_cells(row) for row in (shown[:_ROWS] if is_folded else shown)])
    if is_folded:
        if len(shown) > _ROWS:
            say(f"{len(shown) - _ROWS:,} more lists are not in step: `pageturner status --bad` names all.")
        inserted, updated, deleted = _changes(one for row in rows for one in row)
        places = len({row[0].uid for row in rows if _is_settled(row)})
        lists = f"{len(rows) - len(shown):,} lists of {places:,} locations are in step"
        say(f"{lists}: +{inserted:,} ~{updated:,} -{deleted:,}. `pageturner history` shows each.")


def sum_up(reports: Sequence[ProgressReport], waits: Sequence[Wait], seconds: float) -> str:
    """Return what syncs came to, in one sentence."""
    pages, records = sum(one.pages for one in reports), sum(one.records for one in reports)
    told = [_count(pages, "page"), _count(records, "record")]
    drift = sum(one.drift for one in reports)
    asked = [one for one in waits if one.is_asked]
    if drift:
        told.append(f"read again {drift} times because the data changed meanwhile")
    if asked:
        told.append(f"{_count(len(asked), 'wait')} asked for by Apple ({_spell(sum(one.seconds for one in asked))})")
    if len(asked) < len(waits):
        away = sum(one.seconds for one in waits if not one.is_asked)
        told.append(f"{_spell(away)} without answers from Apple")
    return f"{_spell(seconds)}: {', '.join(told)}."


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


def causes(reports: Sequence[ProgressReport]) -> list[str]:
    """Return a line for each reason of failed crawls; what failed for one reason at a location shares a line."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    lists: dict[str, set[str]] = {}
    for report in reports:
        lists.setdefault(report.name, set()).add(report.resource)
        if report.reason:
            found.setdefault((report.name, _cause(report)), {})[report.resource] = None
    return [f"{_of(name, names, lists[name])}: {cause}" for (name, cause), names in found.items()]


def _of(name: str, failed: Iterable[str], lists: set[str]) -> str:
    """Return a location and which of its lists failed; if all did, the location alone."""
    some = list(failed)
    return name if len(some) > 1 and set(some) == lists else f"{name} {', '.join(some)}"


def _cause(report: ProgressReport) -> str:
    """Return why a crawl failed, and what to do about it, without the page that it was."""
    reason = report.reason or ""
    where, _, cause = reason.partition(": ")
    return advise(cause if cause and where.startswith(report.resource) else reason, report.error, report.name)


def _by_stream(reports: Sequence[ProgressReport]) -> list[list[ProgressReport]]:
    """Return the crawls of each list: one may have been read twice, as a whole and of some assets."""
    found: dict[tuple[str, str], list[ProgressReport]] = {}
    for one in reports:
        found.setdefault((one.uid, one.resource), []).append(one)
    return list(found.values())


def _is_settled(crawls: Sequence[ProgressReport]) -> bool:
    """Return whether nobody need look at a list: it is in step, and nothing of it is held."""
    return crawls[-1].is_in_step and not any(one.held_deletes for one in crawls)


def _telling(crawls: Sequence[ProgressReport]) -> ProgressReport:
    """Return the crawl that says how a list stands: the last, or if that found no news, the one that had them."""
    news = [one for one in crawls if one.state is CrawlState.PUBLISHED]
    return news[-1] if news and crawls[-1].state is CrawlState.UNCHANGED else crawls[-1]


def _changes(crawls: Iterable[ProgressReport]) -> tuple[int, int, int]:
    """Return how many records were inserted, updated and deleted."""
    every = list(crawls)
    return sum(one.inserted for one in every), sum(one.updated for one in every), sum(one.deleted for one in every)


def _cells(crawls: Sequence[ProgressReport]) -> list[str]:
    last = _telling(crawls)
    inserted, updated, deleted = _changes(crawls)
    changed = f"+{inserted:,} ~{updated:,} -{deleted:,}"
    records, pages = (f"{sum(getattr(one, name) for one in crawls):,}" for name in ("records", "pages"))
    kinds = ", ".join(dict.fromkeys(str(one.kind) for one in crawls))
    return [last.name, last.resource, describe(last), records, changed, pages, kinds]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def _spell(seconds: float) -> str:
    return spell_age(timedelta(seconds=round(seconds)))
