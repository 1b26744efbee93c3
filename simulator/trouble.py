"""Scripted trouble: changes of the data at a chosen request, and broken answers."""

from dataclasses import dataclass, field
from typing import Any, Literal

from .lists import Where
from .organisation import Organisation
from .switches import Switches

Kind = Literal[
    "error",  # Apple's error body with `number` and `status`; status 200 is the wild kind
    "status",  # `status` without a body
    "html",  # a proxy's page, with `status`
    "truncated",  # JSON that breaks off
    "shape",  # JSON of another shape
    "lost",  # the page without its list
    "no-token",  # the batch without the token that goes on from it
    "drip",  # a body that never ends, a byte at a time
    "other-location",  # somebody else's uId
    "other-owner",  # another service's mdmInfo
    "garbage-after-gzip",  # a body that says gzip and is not
]


@dataclass(kw_only=True)
class DataChange:
    """A change of the data, right before the n-th request for a resource (at once where there is no n)."""

    resource: str
    at_request: int | None = None
    insert: int = 0
    remove: int = 0
    update: int = 0
    retire: int = 0
    #: How many more licences of an asset are bought.
    buy: int = 0
    shuffle: bool = False
    where: Where = "front"

    def apply(self, organisation: Organisation, switches: Switches) -> None:
        """Apply the change, and move the version."""
        organisation.remove(self.resource, self.remove, self.where)
        organisation.insert(self.resource, self.insert, self.where)
        organisation.update(self.resource, self.update)
        if self.buy:
            organisation.buy(self.buy)
        if self.retire:
            organisation.retire(self.resource, self.retire, quietly=switches.retirements == "hidden")
        if self.shuffle or switches.order == "versions":
            organisation.shuffle(self.resource)
        organisation.touch(self.resource)

    def notification(self) -> dict[str, Any]:
        """Return what a notice says of the change."""
        kinds = {"assignments": "DISASSOCIATE" if self.remove else "ASSOCIATE", "users": "UPDATE"}
        return {"type": kinds[self.resource]} if self.resource in kinds else {}


@dataclass(kw_only=True)
class Fault:
    """A broken answer, `times` times; for one page, or for every page if none is named."""

    resource: str
    kind: Kind
    page: int | None = None
    times: int = 1
    status: int = 400
    number: int = 9602
    headers: dict[str, str] = field(default_factory=dict)
    #: True for a request that asks for one asset alone, False for others; None for both.
    of_asset: bool | None = None

    def hits(self, resource: str, index: int, *, of_asset: bool = False) -> bool:
        """Return whether the fault is for this request, and count it down."""
        if self.times <= 0 or self.resource not in {resource, "*"} or self.page not in {None, index}:
            return False
        if self.of_asset not in {None, of_asset}:
            return False
        self.times -= 1
        return True


def read_changes(raw: list[dict[str, Any]]) -> list[DataChange]:
    """Read changes as they come over the wire."""
    return [DataChange(**one) for one in raw]


def read_faults(raw: list[dict[str, Any]]) -> list[Fault]:
    """Read faults as they come over the wire."""
    return [Fault(**one) for one in raw]
