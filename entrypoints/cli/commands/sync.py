"""`pageturner sync`: bring the mirror in step, and wait for it."""

import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from storage.states import CrawlKind, Trouble

from ...exits import INTERRUPTED, Exit, Failure
from ...terminal import as_json, say, write_json
from ..context import with_workers
from ..options import NamesArgument, ResourcesOption
from ..resources import check_resources

if TYPE_CHECKING:
    from storage.ledger.progress import ProgressReport
    from storage.locations import Location
    from tasks.services import Services

    from ..context import CommandContext


@dataclass(frozen=True, kw_only=True)
class Unsynced:
    """A location for which no sync was opened."""

    name: str
    uid: str
    problem: str


def sync(
    names: NamesArgument = None,
    resource: ResourcesOption = None,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Crawl everything, even if nothing seems to have changed.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Bring the mirror in step with Apple, and wait for it.

    Example: pageturner sync hq --resource assignments
    """
    if resource:
        check_resources(resource)
    from storage.ledger.pages import PAGES_KEPT

    from ..follower import follow_names, tell_all
    from ..outcome import sum_up

    with with_workers() as context:
        locations = context.services.store.locations.watched(names)
        if not locations:
            raise Failure("No locations yet: pageturner locations add FILE", Exit.USAGE)
        begun = time.monotonic()
        sync_ids: list[int] = []
        unsynced: list[Unsynced] = []
        opening = _open(context.services, locations, resource, unsynced, full=full)
        reports = _follow(context, sync_ids, opening, names or [])
        if not sync_ids and not unsynced:
            raise Failure(f"None of these locations watches {', '.join(resource or [])}.", Exit.USAGE)
        while context.services.store.pages.sweep(PAGES_KEPT):
            continue
        _give(reports, unsynced, json=json)
        if reports:
            say(sum_up(reports, context.services.store.waits.of(sync_ids), time.monotonic() - begun))
        _warn(context.services.store.locations.watched([one.name for one in locations]))
        if context.worker is not None:
            follow_names(context.services)
            tell_all(context.services)
    status = verdict(reports, unsynced)
    if status:
        raise typer.Exit(status)


def _follow(
    context: "CommandContext", sync_ids: list[int], opening: Iterator[int], names: list[str]
) -> "list[ProgressReport]":
    """Wait for syncs, while the last are still opened; whoever stops waiting is told what is kept, and how to go on."""
    from ..display import showing
    from ..follower import SyncFollower

    following = SyncFollower(context, sync_ids)
    try:
        with showing(context.services) as show:
            following.begin(opening, show)
            return following.follow(show) if sync_ids else []
    except KeyboardInterrupt:
        say(stopped(following.reports, names, is_alone=context.worker is not None))
        raise typer.Exit(INTERRUPTED) from None


def stopped(reports: "list[ProgressReport]", names: list[str], *, is_alone: bool) -> str:
    """Return what is kept of a sync that was stopped, and how it goes on: with its workers, or with the next sync."""
    if not is_alone:
        return "No longer waiting. The workers go on by themselves: `pageturner status` shows how far they are."
    over, pages = sum(one.is_over for one in reports), sum(one.pages for one in reports if not one.is_over)
    kept = f"{over} of {len(reports)} lists are done, and {pages:,} pages of the others are kept"
    return f"Stopped: {kept}. `{shlex.join(['pageturner', 'sync', *names])}` goes on from there."


def _warn(locations: list["Location"]) -> None:
    """Say which tokens expire before long."""
    from advice import advised
    from orchestration.decisions.health import of_token

    for one in locations:
        standing = of_token(one, datetime.now(UTC))
        if standing.within_days is not None:
            say(f"{one.name}: {advised(standing, one.name)}")


def verdict(reports: list["ProgressReport"], unsynced: list[Unsynced]) -> Exit:
    """Return the exit status for the outcomes of the crawls."""
    last = {(report.uid, report.resource, report.kind is CrawlKind.SPOT): report for report in reports}
    reports = list(last.values())  # a crawl that was followed by another of its stream no longer counts
    failed = [report for report in reports if not report.is_in_step]
    if not failed and not unsynced:
        return Exit.PERSON if any(report.held_deletes for report in reports) else Exit.IN_STEP
    if len(failed) < len(reports):
        return Exit.PARTLY
    troubles = {report.trouble for report in failed} | ({Trouble.PERSON} if unsynced else set())
    if Trouble.PERSON in troubles:
        return Exit.PERSON
    return Exit.AWAY if Trouble.AWAY in troubles else Exit.FAILED


def _open(
    services: "Services",
    locations: list["Location"],
    resources: list[str] | None,
    unsynced: list[Unsynced],
    *,
    full: bool,
) -> Iterator[int]:
    """Open a sync of each location; note those that cannot be synced."""
    from advice import explain
    from orchestration.sync import NeedsPerson

    for location in locations:
        try:
            sync_id = services.use_cases.syncer.open(location, resources, full=full)
        except NeedsPerson as error:
            say(f"{location.name}: {explain(error)}")
            unsynced.append(Unsynced(name=location.name, uid=location.uid, problem=explain(error)))
        else:
            if sync_id is not None:
                yield sync_id


def _give(reports: list["ProgressReport"], unsynced: list[Unsynced], *, json: bool) -> None:
    from ..outcome import causes, print_outcome

    if json:
        write_json([*({**as_json(one), "state": "failed"} for one in unsynced), *map(_described, reports)])
        return
    print_outcome(reports)
    for words in causes(reports):
        say(words)


def _described(report: "ProgressReport") -> dict[str, object]:
    from advice import advise

    return {
        "location": report.name,
        "uid": report.uid,
        "resource": report.resource,
        "kind": report.kind,
        "state": report.state,
        "consistent": report.is_consistent,
        "pages": report.pages,
        "records": report.records,
        "drift": report.drift,
        "inserted": report.inserted,
        "updated": report.updated,
        "deleted": report.deleted,
        "held_deletes": report.held_deletes,
        "problem": None if report.reason is None else advise(report.reason, report.error, report.name),
    }
