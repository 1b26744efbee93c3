"""The legacy service: batches by number beside the token of the first answer, and changes by another token."""

import base64
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .catalogue import CATALOGUE
from .organisation import Organisation
from .pages import Rendered, both
from .renderer import Cut, Renderer
from .switches import Switches

_TOKEN_BYTES = 3_000


@dataclass(frozen=True)
class _Place:
    """What a batchToken stands for: a list, and the next batch if no number is given."""

    cut: Cut
    following: int


class Batches:
    """The tokens that one location has given, and its batches as they stand now."""

    def __init__(self, organisation: Organisation, rendering: Renderer, switches: Switches) -> None:
        self._organisation = organisation
        self._rendering = rendering
        self._switches = switches
        self._batches: dict[str, _Place] = {}
        self._changes: dict[str, Cut] = {}

    def forget(self) -> None:
        """Expire all tokens."""
        self._batches.clear()
        self._changes.clear()

    def first(self, resource: str, since: str | None, expires: str) -> Rendered | None:
        """Answer a request without a batchToken; None where the other token is not known."""
        cut = Cut(resource) if since is None else self._changes.get(since)
        if cut is None or cut.resource != resource:
            return None
        batches = self._rendering.pages(cut)
        envelope = self._envelope(cut, len(batches[0]), expires)
        envelope["totalCount"] = sum(len(batch) for batch in batches)
        if len(batches) == 1:
            envelope["sinceModifiedToken"] = self._give_changes(resource)
        else:
            envelope["batchToken"] = self._give_batch(_Place(cut, 1))
        return both(envelope, {CATALOGUE[resource].member: batches[0]})

    def everything(self, resource: str, expires: str) -> Rendered:
        """Answer with all records at once; if there are none, the list is left out."""
        records = self._rendering.records(Cut(resource))
        envelope = self._envelope(Cut(resource), len(records), expires) | {"totalCount": len(records)}
        del envelope["batchCount"], envelope["totalBatchCount"]
        return both(envelope, {CATALOGUE[resource].member: records} if records else {})

    def numbered(self, resource: str, token: str, number: int | None, expires: str) -> Rendered | None:
        """Answer a request with a batchToken, by the number of the batch or for the one that follows."""
        place = self._batches.get(token)
        if place is None or place.cut.resource != resource:
            return None
        batches = self._rendering.pages(place.cut)
        shift = 1 if self._switches.first_batch == "inside" else 0
        index = place.following if number is None else number - shift
        records = batches[index] if index < len(batches) else []
        envelope = self._envelope(place.cut, len(records), expires)
        if index == len(batches) - 1:
            envelope["sinceModifiedToken"] = self._give_changes(resource)
        elif index < len(batches) and (number is None or self._switches.batch_tokens == "all"):
            envelope["batchToken"] = self._give_batch(_Place(place.cut, index + 1))
        return both(envelope, {CATALOGUE[resource].member: records} if records or number is None else {})

    def _envelope(self, cut: Cut, count: int, expires: str) -> dict[str, Any]:
        total = len(self._rendering.pages(cut)) - (self._switches.first_batch == "outside")
        envelope: dict[str, Any] = {"status": 0, "batchCount": count}
        envelope["totalBatchCount"] = str(total) if self._switches.totals == "string" else total
        if self._switches.optional == "present":
            millis = int(datetime.fromisoformat(expires).timestamp() * 1000) + 417
            envelope |= {"uId": self._organisation.uid, "expirationMillis": millis}
            envelope["location"] = {"locationId": 1, "locationName": self._organisation.name}
        return envelope

    def _give_batch(self, place: _Place) -> str:
        token = base64.b64encode(os.urandom(_TOKEN_BYTES)).decode()
        self._batches[token] = place
        return token

    def _give_changes(self, resource: str) -> str:
        listing = self._organisation.listings[resource]
        token = base64.b64encode(f"{resource}/{listing.version}".encode()).decode()
        self._changes[token] = Cut(resource, listing.move)
        return token
