"""Paging: where a list goes on, as an opaque text."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query

from ..console.query import WrongQuery, read_position, write_position

MOST = 1_000

After = Annotated[str | None, Query(description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="How many of them.")]
LocationsOf = Annotated[
    list[str] | None, Query(alias="location", description="Only of these locations: names or uIds.")
]


def write_cursor(values: Sequence[Any]) -> str:
    """Return where a list goes on."""
    return base64.urlsafe_b64encode(write_position(values).encode()).decode().rstrip("=")


def read_cursor(text: str | None) -> list[Any] | None:
    """Read where a list goes on; raise WrongQuery for what is none."""
    if text is None:
        return None
    try:
        return read_position(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    except (binascii.Error, ValueError):
        raise WrongQuery("'after' is not the `next` of a page of this list.") from None
