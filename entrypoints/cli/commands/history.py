"""`pageturner history`: which crawls ran, why, how long they took, and what came of them."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.decisions.age import spell_age
from storage.states import CrawlState

from ...terminal import as_json, print_rows, say, write_json
from ..completions import location_names
from ..context import with_store
from ..given import given_moment
from ..options import ResourceOption
from ..resources import check_resources

if TYPE_CHECKING:
    from storage.ledger.history import PastCrawl

#: The most important first: as many are shown as fit.
_COLUMNS = ("begun", "location", "stream", "what came of it", "took", "why", "kind", "pages", "drift", "waits")


def history(
    name: Annotated[
        str | None, typer.Argument(help="The location; the default is all.", autocompletion=location_names)
    ] = None,
    resource: ResourceOption = None,
    since: Annotated[str | None, typer.Option(help="Only crawls since then: 7d, 2026-11-20.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many crawls are shown, the newest first.")] = 30,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which crawls ran, why, how long they took, and what came of them.

    Example: pageturner history hq --since 7d
    """
    if resource:
        check_resources([resource])
    with with_store() as services:
        uids = [] if name is None else [services.store.locations.named(name).uid]
        begun = None if since is None else given_moment("--since", since, services.store.now())
        found = services.store.history.crawls(limit, uids, resource or "", begun)
    if json:
        write_json([as_json(one) for one in found])
        return
    if not found:
        say("No crawls yet: pageturner sync")
    else:
        print_rows(_COLUMNS, [_cells(one) for one in found])


def _cells(crawl: "PastCrawl") -> list[str]:
    pages = "" if crawl.total is None else f"{crawl.total:,}"
    begun = f"{crawl.opened_at:%m-%d %H:%M}"
    drift = str(crawl.drift or "")
    waits = f"{crawl.waits} ({spell_age(timedelta(seconds=crawl.waited_seconds))})" if crawl.waits else ""
    told = [_result(crawl), _took(crawl), _why(crawl), crawl.kind, pages, drift, waits]
    return [begun, crawl.name, crawl.resource, *told]


def _why(crawl: "PastCrawl") -> str:
    begun_by = "" if crawl.begun_by is None else str(crawl.begun_by)
    return f"{begun_by}, {crawl.forced_by}".strip(", ") if crawl.forced_by else begun_by


def _took(crawl: "PastCrawl") -> str:
    return "" if crawl.ended_at is None else spell_age(crawl.ended_at - crawl.opened_at)


def _result(crawl: "PastCrawl") -> str:
    if crawl.state is CrawlState.PUBLISHED:
        torn = "" if crawl.is_consistent else ", torn: nothing was deleted"
        return f"+{crawl.inserted or 0:,} ~{crawl.updated or 0:,} -{crawl.deleted or 0:,}{torn}"
    if crawl.state is CrawlState.FAILED:
        return f"failed: {crawl.reason or 'no reason is known'}"
    return str(crawl.state)
