"""The catalogue: everything that this Apple lists. A new resource is one row here, and its maker in `records.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .records import RecordMaker


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One list: where it is, how it is paged, and what stands in it."""

    path: str
    #: The member of an answer that holds the records.
    member: str
    #: Pages by number, pages along cursors, batches of the legacy service, or everything in one answer of it.
    paging: Literal["index", "cursor", "batch", "single"]
    make: Callable[[RecordMaker], bytes]
    #: The default number of records.
    count: int
    #: A field that an update may change, since it is not part of a record's identity.
    changeable: str | None
    #: Whether changes since a version are listed; batches always list changes since a token.
    has_versions: bool = False


CATALOGUE = {
    "assets": Listed(
        path="/assets",
        member="assets",
        paging="index",
        make=RecordMaker.asset,
        count=60,
        changeable="retiredCount",
    ),
    "assignments": Listed(
        path="/assignments",
        member="assignments",
        paging="index",
        make=RecordMaker.assignment,
        count=60_000,
        changeable=None,
        has_versions=True,
    ),
    "users": Listed(
        path="/users",
        member="users",
        paging="index",
        make=RecordMaker.user,
        count=5_000,
        changeable="email",
        has_versions=True,
    ),
    "subscriptions": Listed(
        path="/subscriptions",
        member="subscriptions",
        paging="cursor",
        make=RecordMaker.subscription,
        count=20,
        changeable="status",
    ),
    "subscription-assignments": Listed(
        path="/subscriptions/assignments",
        member="assignments",
        paging="cursor",
        make=RecordMaker.subscription_assignment,
        count=300,
        changeable="renewing",
    ),
    "subscription-admins": Listed(
        path="/subscriptions/admins",
        member="admins",
        paging="cursor",
        make=RecordMaker.subscription_admin,
        count=10,
        changeable="idHash",
    ),
    "licenses": Listed(
        path="/mdm/getVPPLicensesSrv",
        member="licenses",
        paging="batch",
        make=RecordMaker.license,
        count=1_500,
        changeable="productTypeName",
    ),
    "legacy-users": Listed(
        path="/mdm/getVPPUsersSrv",
        member="users",
        paging="batch",
        make=RecordMaker.legacy_user,
        count=300,
        changeable="email",
    ),
    "legacy-assets": Listed(
        path="/mdm/getVPPAssetsSrv",
        member="assets",
        paging="single",
        make=RecordMaker.legacy_asset,
        count=40,
        changeable="assignedCount",
    ),
}


def paths_of(paging: str) -> dict[str, str]:
    """Return the paths of the lists that are paged like this, by their resources."""
    return {name: listed.path for name, listed in CATALOGUE.items() if listed.paging == paging}


class Size:
    """How much a location holds of each resource, and how many records Apple puts on a page."""

    def __init__(self, *, page_size: int = 100, **counts: int) -> None:
        self.page_size = page_size
        given = {name.replace("_", "-"): count for name, count in counts.items()}
        unknown = set(given) - set(CATALOGUE)
        if unknown:
            raise ValueError(f"There is no resource {', '.join(sorted(unknown))}.")
        self._counts = {name: listed.count for name, listed in CATALOGUE.items()} | given

    def of(self, resource: str) -> int:
        """Return how many records there are of a resource."""
        return self._counts[resource]
