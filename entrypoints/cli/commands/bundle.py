"""`pageturner bundle`: one file for whoever helps from afar."""

from pathlib import Path
from typing import Annotated

import typer

from ...exits import Exit, Failure
from ...terminal import say
from ..context import with_store
from ..output import write_bytes_to


def bundle(
    crawl: Annotated[int | None, typer.Option(min=1, help="With the pages of this crawl, by its number.")] = None,
    output: Annotated[Path | None, typer.Option(help="The file; pageturner-bundle.zip where none is named.")] = None,
    *,
    named: Annotated[
        bool, typer.Option("--named", help="With the names of locations, organisations and services.")
    ] = False,
) -> None:
    """Write a support bundle: versions, settings without secrets, doctor, crawls, and the log. It names nobody.

    Example: pageturner bundle --crawl 42
    """
    from ...bundle import write_bundle

    path = output or Path("pageturner-bundle.zip")
    with with_store() as services:
        if crawl is not None and services.store.history.find(crawl) is None:
            raise Failure(f"There is no crawl {crawl}: `pageturner history --json` has their numbers.", Exit.USAGE)
        write_bytes_to(path, lambda file: write_bundle(services, file, crawl=crawl, is_named=named))
    if str(path) != "-":
        say(f"Written: {path}. Look through it before you send it on.")
