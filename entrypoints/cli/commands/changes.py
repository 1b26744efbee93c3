"""`pageturner changes`: the feed of what changed in the mirror."""

import json as json_
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apple.resources import RESOURCES
from apple.texts import clean

from ...bookmarks import write_bookmark
from ...exits import Exit, Failure
from ...terminal import as_json, say, write, write_json
from ..completions import location_names
from ..context import with_store
from ..given import given_bookmark, given_moment
from ..options import ResourceOption
from ..resources import check_resources
from ..unread import say_unread

if TYPE_CHECKING:
    from storage.mirror.feed import Change, Extent, Sieve
    from tasks.services import Services

#: How often the feed is looked at by those who follow it.
FOLLOW_SECONDS = 1.0


class FeedFormat(StrEnum):
    """How changes are written."""

    TEXT = "text"
    CSV = "csv"
    NDJSON = "ndjson"


class Op(StrEnum):
    """What happened to a record."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


After = Annotated[str | None, typer.Option(metavar="BOOKMARK", help="Only the changes after this bookmark or number.")]
Since = Annotated[str | None, typer.Option(help="Only the changes since then: 7d, 2026-11-20, 2026-11-20T14:00.")]
Until = Annotated[str | None, typer.Option(help="Only the changes before then.")]
AppOption = Annotated[str | None, typer.Option(help="Only what is about this app or book: its name, or its number.")]
Holder = Annotated[
    str | None, typer.Option(help="Only what is about this device or user: a serial number or clientUserId.")
]
Format = Annotated[FeedFormat, typer.Option("--format", help="Sentences for people, CSV, or one JSON object per line.")]
Location = Annotated[
    str | None,
    typer.Option(help="Only changes of this location, watched or not.", autocompletion=location_names),
]
Follow = Annotated[bool, typer.Option("--follow", help="Go on with what changes from now on, until Ctrl-C.")]
ShowBookmark = Annotated[bool, typer.Option("--bookmark", help="Print the current bookmark, and no changes.")]

#: Writes changes, and returns the number of the last of them.
_Write = Callable[[Iterable["Change"]], int]


def changes(  # noqa: PLR0913, PLR0917 - each argument is an option of the command
    after: After = None,
    since: Since = None,
    until: Until = None,
    location: Location = None,
    resource: ResourceOption = None,
    op: Annotated[Op | None, typer.Option(help="Only what was inserted, updated or deleted.")] = None,
    app: AppOption = None,
    holder: Holder = None,
    limit: Annotated[int | None, typer.Option(min=1, max=10**12, help="At most so many changes.")] = None,
    format_: Format = FeedFormat.TEXT,
    *,
    follow: Follow = False,
    bookmark: ShowBookmark = False,
    json: Annotated[bool, typer.Option("--json", help="The same as --format ndjson.")] = False,
) -> None:
    """Show inserts, updates and deletes in the order in which they were committed.

    Example: pageturner changes --since 7d --app Keynote
    """
    if resource:
        check_resources([resource])
    if follow and (limit is not None or until is not None):
        raise Failure("--follow goes on for ever: it takes no --limit and no --until.", Exit.USAGE)
    from storage.mirror.feed import Sieve

    with with_store() as services:
        feed = services.store.feed
        feed.recognise()
        extent = feed.extent()
        if bookmark:
            write(write_bookmark(extent, extent.last))
            return
        seq = _start(after, since, extent)
        sieve = Sieve(
            uids=[] if location is None else [services.store.locations.named(location).uid],
            resource=resource or "",
            op=op or "",
            since=_moment(services, "--since", since),
            until=_moment(services, "--until", until),
            adam_ids=[] if app is None else _called(services, app),
            holder=holder or "",
        )
        if sieve.since is not None:
            seq = max(seq, feed.before(sieve.since))
        writer = _writer(FeedFormat.NDJSON if json else format_, services, extent)
        found = _Counted(islice(feed.after(seq, sieve), limit))
        seq = max(seq, writer(found))
        if format_ is FeedFormat.TEXT and not json:
            _say_count(services, found.count, location, limit, is_over=not follow)
        if follow:
            _follow(services, seq, sieve, writer)


class _Counted:
    """Changes, and how many of them have been written."""

    def __init__(self, some: "Iterator[Change]") -> None:
        self._some = some
        self.count = 0

    def __iter__(self) -> "Iterator[Change]":
        for one in self._some:
            self.count += 1
            yield one


def _say_count(services: "Services", count: int, location: str | None, limit: int | None, *, is_over: bool) -> None:
    """Say that there were no changes, or that the limit left some out, so that a sentence tells but a part."""
    if count == limit:
        say(f"--limit {limit}: later changes are neither shown nor counted here.")
    elif not count and is_over:
        where = [] if location is None else [services.store.locations.named(location).name]
        say_unread(services, where, RESOURCES)
        say("No such changes.")


def _start(after: str | None, since: str | None, extent: "Extent") -> int:
    """Return the number after which the changes are shown; say so if what was asked for is no longer kept."""
    if after is not None:
        return given_bookmark(after, extent)
    if since is None and extent.pruned:
        say(f"Changes up to {extent.pruned} are no longer kept.")
    return extent.pruned


def _moment(services: "Services", option: str, text: str | None) -> "datetime | None":
    return None if text is None else given_moment(option, text, services.store.now())


def _follow(services: "Services", seq: int, sieve: "Sieve", writer: _Write) -> None:
    """Write what is committed from now on, until the command is stopped."""
    while True:
        sys.stdout.flush()
        time.sleep(FOLLOW_SECONDS)
        last = services.store.feed.extent().last
        if last > seq:
            writer(one for one in services.store.feed.after(seq, sieve) if one.seq <= last)
            seq = last


def _writer(format_: FeedFormat, services: "Services", extent: "Extent") -> _Write:
    if format_ is FeedFormat.NDJSON:
        return lambda some: _each(
            some, lambda one: write_json({"bookmark": write_bookmark(extent, one.seq), **as_json(one)})
        )
    if format_ is FeedFormat.CSV:
        return _csv_writer(extent)
    return lambda some: _tell(some, services)


def _each(some: "Iterable[Change]", write_one: "Callable[[Change], None]") -> int:
    seq = 0
    for one in some:
        write_one(one)
        seq = one.seq
    return seq


def _csv_writer(extent: "Extent") -> _Write:
    import csv

    names = ["bookmark", "seq", "at", "uid", "location", "resource", "op", "key", "before", "after", "crawl"]
    sheet = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    sheet.writeheader()

    def write_one(change: "Change") -> None:
        row: dict[str, Any] = {"bookmark": write_bookmark(extent, change.seq), **as_json(change)}
        row["at"] = change.at.astimezone(UTC).isoformat(timespec="seconds")
        for name in ("key", "before", "after"):
            row[name] = "" if row[name] is None else json_.dumps(row[name], ensure_ascii=False)
        sheet.writerow(row)

    return lambda some: _each(some, write_one)


def _tell(some: "Iterable[Change]", services: "Services") -> int:
    """Write sentences for people; return the number of the last change."""
    from ...sentences import sentences

    seq = 0

    def watched() -> "Iterator[Change]":
        nonlocal seq
        for one in some:
            seq = one.seq
            yield one

    for group, words in sentences(watched(), services.store.listings):
        write(clean(f"{group.seq}  {group.first.at:%Y-%m-%d %H:%M}  {group.first.name}  {words}"))
    return seq


def _called(services: "Services", app: str) -> list[str]:
    found = services.store.listings.called(app)
    if not found:
        raise Failure(f"No app or book is called '{clean(app)}': `pageturner report apps` lists them.", Exit.USAGE)
    return found
