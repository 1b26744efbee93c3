"""Questions: which page of which list is asked for, and how each kind of paging asks for it."""

from dataclasses import dataclass
from typing import Any

from .resources import Paging, Resource


@dataclass(frozen=True, kw_only=True)
class AssetKey:
    """What identifies an asset at Apple."""

    adam_id: str
    pricing_param: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """One page of a list."""

    resource: Resource
    #: The number of the page, of the batch, or of the step along the cursors; 0 is always the first.
    index: int = 0
    #: List only what changed since this version, or since this `sinceModifiedToken`.
    since: str | None = None
    #: The cursor or `batchToken` of the answer before, sent back exactly as it was.
    cursor: str | None = None
    #: List only the records of one asset.
    asset: AssetKey | None = None
    #: False if each batch is requested by the token of the batch before, because Apple gave no count.
    is_numbered: bool = True

    def query(self) -> dict[str, str]:
        """Return the query of a GET that asks this."""
        query = {}
        if self.since is not None:
            query["sinceVersionId"] = self.since
        if self.asset is not None:
            query |= {"adamId": self.asset.adam_id, "pricingParam": self.asset.pricing_param}
        if self.resource.paging is Paging.CURSOR and self.cursor is not None:
            query["cursor"] = self.cursor
        if self.resource.paging is Paging.INDEX and self.index:
            query["pageIndex"] = str(self.index)
        return query

    def body(self) -> dict[str, Any]:
        """Return the body of a POST of the legacy service that asks this, without the token."""
        if self.cursor is not None:
            return {"batchToken": self.cursor} | ({"overrideIndex": self.index} if self.is_numbered else {})
        if self.since is not None:
            return {"sinceModifiedToken": self.since}
        return dict(self.resource.filters)

    def __str__(self) -> str:
        """Name the page for a person."""
        what = {Paging.CURSOR: "step", Paging.BATCH: "batch"}.get(self.resource.paging, "page")
        of = f" of asset {self.asset.adam_id} {self.asset.pricing_param}" if self.asset is not None else ""
        return f"{self.resource.name}{of} {what} {self.index}"
