"""`pageturner export`: the mirror's records, as Apple names things."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ...exits import Exit, Failure
from ...sheets import format_by_ending
from ...terminal import say, say_command
from ..completions import location_names, resource_names
from ..context import with_store
from ..exports import Plan, SplitBy, export_all, keeping
from ..output import write_to
from ..records import Record, RecordFormat, write_records
from ..resources import check_resources

if TYPE_CHECKING:
    from storage.locations import Location
    from tasks.services import Services

Format = Annotated[
    RecordFormat | None,
    typer.Option("--format", help="One JSON object per line, or CSV; the default follows the name of --output."),
]
#: By which ending a file says what it is.
_ENDINGS = {"csv": RecordFormat.CSV, **dict.fromkeys(("ndjson", "jsonl", "json"), RecordFormat.NDJSON)}

Output = Annotated[Path | None, typer.Option(help="The file to write; the default, and -, is standard output.")]
All = Annotated[
    Path | None,
    typer.Option("--all", metavar="DIR", help="Write all locations into this folder; again, only what changed."),
]
By = Annotated[SplitBy, typer.Option(help="With --all: what has a file of its own.")]
Spreadsheets = Annotated[
    bool,
    typer.Option("--for-spreadsheets", help="Put ' before each value that a spreadsheet would run as a formula."),
]


def export(  # noqa: PLR0913 - each argument is an option of the command
    resource: Annotated[
        str | None, typer.Argument(help="The resource; none with --all.", autocompletion=resource_names)
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(
            help="The location, watched or not; required if there are several.", autocompletion=location_names
        ),
    ] = None,
    format_: Format = None,
    output: Output = None,
    all_: All = None,
    by: By = SplitBy.RESOURCE,
    *,
    for_spreadsheets: Spreadsheets = False,
) -> None:
    """Write a resource's records under Apple's own field names, or all of the mirror, of one moment, into a folder.

    Examples: pageturner export assignments --output assignments.csv, pageturner export --all mirror
    """
    if all_ is not None:
        if resource or output or location:
            words = "--all writes all lists of all locations: it takes no resource, no --output and no --location."
            raise Failure(words, Exit.USAGE)
        _export_all(Plan(folder=all_, by=by, format=format_ or RecordFormat.NDJSON, is_defused=for_spreadsheets))
    elif resource is None:
        raise Failure("Say which resource, or --all DIR for all of them.", Exit.USAGE)
    else:
        check_resources([resource])
        _export(resource, location, _format(format_, output), output, is_defused=for_spreadsheets)


def _export_all(plan: Plan) -> None:
    with keeping(plan.folder), with_store() as services:
        services.store.feed.recognise()
        with services.store.exporter.snapshot() as snapshot:
            done = export_all(snapshot, plan)
            as_of = f"{snapshot.as_of:%Y-%m-%d %H:%M:%S} UTC"
    kept = f" ({done.kept} of them unchanged)" if done.kept else ""
    say(f"{done.files} files{kept}, {done.records:,} records, all as of {as_of}.")
    say("Changes since then:")
    say_command(f"pageturner changes --after {done.bookmark}")


def _export(resource: str, name: str | None, format_: RecordFormat, output: Path | None, *, is_defused: bool) -> None:
    from storage.mirror.tables import MIRRORS

    with with_store() as services:
        texts = services.store.exporter.records(resource, _choose(services, name).id)
        records: Iterator[Record] = (({}, text) for text in texts)
        columns = MIRRORS[resource].fields.values()

        def write(file: TextIO) -> None:
            write_records(file, format_, columns, records, is_defused=is_defused)

        write_to(output, write)


def _format(given: RecordFormat | None, output: Path | None) -> RecordFormat:
    """Return the format: the one that is asked for, or that of the file's ending."""
    if given is not None:
        return given
    return format_by_ending(output, _ENDINGS) or RecordFormat.NDJSON


def _choose(services: "Services", name: str | None) -> "Location":
    if name is not None:
        return services.store.locations.named(name)
    known = services.store.locations.watched()
    if len(known) != 1:
        names = ", ".join(one.name for one in known) or "none yet"
        raise Failure(f"Say which location, with --location: {names}.", Exit.USAGE)
    return known[0]
