"""`pageturner demo`: the main job against a simulated Apple, with a verdict."""

from typing import Annotated

import typer


def demo(
    *, keep: Annotated[bool, typer.Option("--keep", help="Keep the database, and print how to query it.")] = False
) -> None:
    """Crawl a simulated organisation that changes while it is read, and compare the mirror with the truth.

    Example: pageturner demo --keep
    """
    from ..demonstration import demonstrate

    demonstrate(is_kept=keep)
