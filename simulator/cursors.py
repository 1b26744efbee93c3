"""Pages by cursor: one after the other, each found by the text that the one before gave."""

import base64
import os
from typing import Any

from .catalogue import CATALOGUE
from .pages import IndexPages, Rendered, both
from .renderer import Cut, Renderer


class Cursors:
    """The cursors that one location has given, and where each of them leads."""

    def __init__(self, rendering: Renderer, pages: IndexPages) -> None:
        self._rendering = rendering
        self._pages = pages
        self._given: dict[str, tuple[str, int]] = {}

    def forget(self) -> None:
        """Expire all cursors."""
        self._given.clear()

    def step(self, resource: str, cursor: str | None) -> int | None:
        """Return which step a cursor leads to; None where it is not known for this resource."""
        if cursor is None:
            return 0
        known, step = self._given.get(cursor, ("", 0))
        return step if known == resource else None

    def page(self, resource: str, step: int, expires: str) -> Rendered:
        """Return one step of the list."""
        pages = self._rendering.pages(Cut(resource))
        envelope: dict[str, Any] = self._pages.common(resource, expires)
        envelope.pop("mdmInfo", None)
        if step + 1 < len(pages):
            # Everything in it that a URL does not carry as it is.
            cursor = f"{base64.b64encode(os.urandom(24)).decode()}+/=&?# {step}"
            self._given[cursor] = (resource, step + 1)
            envelope["nextCursor"] = cursor
        return both(envelope, {CATALOGUE[resource].member: pages[step] if step < len(pages) else []})
