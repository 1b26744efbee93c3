"""The renderer: the records of a location as the switches want them, cut into pages."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .organisation import Organisation
from .records import encode
from .switches import Switches

#: Optional fields of records.
_OPTIONAL = ("idHash", "itsIdHash", "supportedPlatforms", "productTypeName", "periodEndDate", "renewing", "email")

_UNKNOWN = {"futureField": {"of": ["Apple's", 1, None]}}


@dataclass(frozen=True)
class Cut:
    """What is listed: a resource, all of it or what changed after a move, of all assets or of one."""

    resource: str
    after: int | None = None
    asset: tuple[str, str] | None = None


class Renderer:
    """The records of one location as they are shown now."""

    def __init__(self, organisation: Organisation, switches: Switches) -> None:
        self._organisation = organisation
        self._switches = switches
        self._shown: dict[Cut, list[bytes]] = {}
        self._cut: dict[Cut, list[Sequence[bytes]]] = {}

    def forget(self) -> None:
        """Discard what was rendered: the data changed."""
        self._shown.clear()
        self._cut.clear()

    @property
    def may_be_kept(self) -> bool:
        """Return whether the same request has the same answer while nothing changes."""
        return self._switches.order in {"stable", "versions"}

    def records(self, cut: Cut) -> list[bytes]:
        """Return the records of a cut in the order in which they are listed."""
        if cut not in self._shown:
            self._shown[cut] = [self._show(cut.resource, record) for record in self._chosen(cut)]
        shown = self._shown[cut]
        return random.sample(shown, len(shown)) if self._switches.order == "wild" else shown

    def pages(self, cut: Cut) -> list[Sequence[bytes]]:
        """Cut the records into pages; no records are one empty page."""
        if cut not in self._cut or not self.may_be_kept:
            self._cut[cut] = self._cut_up(cut)
        return self._cut[cut]

    def _cut_up(self, cut: Cut) -> list[Sequence[bytes]]:
        size = self._organisation.size.page_size
        records = self.records(cut)
        pages: list[Sequence[bytes]] = [records[start : start + size] for start in range(0, len(records), size)]
        if self._switches.empty_pages == "some" and len(pages) > 1:
            pages.insert(1, [])
        if self._switches.order == "within":
            pages = [random.sample(page, len(page)) for page in pages]
        return pages or [[]]

    def _chosen(self, cut: Cut) -> list[bytes]:
        listing = self._organisation.listings[cut.resource]
        if cut.after is not None:
            return listing.since(cut.after, with_removed=self._switches.removals == "listed")
        records = [entry.record for entry in listing.entries]
        if cut.asset is None:
            return records
        asset = {"adamId": cut.asset[0], "pricingParam": cut.asset[1]}
        head = encode(asset)[:-1] + b","
        return [record for record in records if record.startswith(head)]

    def _show(self, resource: str, record: bytes) -> bytes:
        switches = self._switches
        if resource == "assets" and switches.counts != "exact":
            record = encode(_miscount(json.loads(record), switches.counts))
        if switches.optional == "missing":
            record = encode({name: value for name, value in json.loads(record).items() if name not in _OPTIONAL})
        if switches.unknown == "present":
            record = encode(json.loads(record) | _UNKNOWN)
        return record


def _miscount(asset: dict[str, Any], counts: str) -> dict[str, Any]:
    if counts == "absent":
        return {name: value for name, value in asset.items() if name != "assignedCount"}
    is_wrong = int(asset["adamId"]) % 3 == 0
    return asset | {"assignedCount": asset["assignedCount"] + 1} if is_wrong else asset
