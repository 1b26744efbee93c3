"""Pages by number, rendered once for each state of the data, so that the simulator is never what is slow."""

import gzip
import json
from dataclasses import dataclass
from typing import Any

from .catalogue import CATALOGUE
from .organisation import Organisation
from .renderer import Cut, Renderer
from .switches import Switches


@dataclass(frozen=True)
class Rendered:
    """One answer, encoded plain and by gzip."""

    plain: bytes
    packed: bytes


class IndexPages:
    """The pages of one location as they stand now."""

    def __init__(self, organisation: Organisation, rendering: Renderer, switches: Switches) -> None:
        self._organisation = organisation
        self._rendering = rendering
        self._switches = switches
        self._rendered: dict[tuple[Cut, int], Rendered] = {}

    def forget(self) -> None:
        """Discard what was rendered: the data changed."""
        self._rendered.clear()
        self._rendering.forget()

    def total(self, cut: Cut) -> int:
        """Count the pages of a list."""
        return len(self._rendering.pages(cut))

    def page(self, cut: Cut, index: int, expires: str) -> Rendered:
        """Return one page; beyond the end it is an empty one."""
        key = (cut, index)
        if key not in self._rendered or not self._rendering.may_be_kept:
            self._rendered[key] = self._render(cut, index, expires)
        return self._rendered[key]

    def common(self, resource: str, expires: str) -> dict[str, Any]:
        """Return the members around the records of a page."""
        organisation, switches = self._organisation, self._switches
        envelope: dict[str, Any] = {"versionId": organisation.listings[resource].version}
        if organisation.owner is not None or switches.nobody == "null":
            envelope["mdmInfo"] = organisation.owner
        if switches.optional == "present":
            envelope |= {"tokenExpirationDate": expires, "uId": organisation.uid}
        if switches.unknown == "present":
            envelope["futureEnvelope"] = [1, {"of": None}]
        return envelope

    def _render(self, cut: Cut, index: int, expires: str) -> Rendered:
        pages = self._rendering.pages(cut)
        records = pages[index] if index < len(pages) else []
        envelope: dict[str, Any] = self.common(cut.resource, expires)
        if self._switches.optional == "present":
            envelope |= {"currentPageIndex": index, "size": len(records)}
        if self._switches.totals != "absent":
            is_nothing = pages == [[]] and self._switches.nothing == "no page"
            envelope["totalPages"] = 0 if is_nothing else len(pages)
        if index + 1 < len(pages):
            envelope["nextPageIndex"] = index + 1
        if cut.after is not None and not records and self._switches.optional == "missing":
            envelope.pop("versionId")  # nothing new: Apple may name no new version
        lists = {CATALOGUE[cut.resource].member: records}
        if cut.resource == "assets" and self._switches.unlimited == "apart" and index == 0:
            lists = {"assets": records[1:], "unlimitedAssets": records[:1]}
        return both(envelope, lists)


def both(envelope: dict[str, Any], lists: Any = None) -> Rendered:
    """Return an answer in both encodings."""
    parts = [b'"' + name.encode() + b'":[' + b",".join(records) + b"]" for name, records in (lists or {}).items()]
    inner = json.dumps(envelope).encode()[1:-1]
    plain = b"{" + b",".join([*parts, inner] if inner else parts) + b"}"
    return Rendered(plain, gzip.compress(plain, compresslevel=1, mtime=0))
