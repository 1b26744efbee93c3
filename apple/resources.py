"""One table of everything that Apple lists. Nothing else in the code names an endpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .records import (
    Asset,
    Assignment,
    LegacyAsset,
    LegacyUser,
    License,
    Record,
    Subscription,
    SubscriptionAdmin,
    SubscriptionAssignment,
    User,
)


class Paging(StrEnum):
    """How Apple pages a long list."""

    INDEX = "index"  #: any page at any time, by its number
    CURSOR = "cursor"  #: one page after the other, each by the cursor of the one before
    BATCH = "batch"  #: the legacy way: any batch by its number, beside the token of the first answer
    SINGLE = "single"  #: everything in one answer


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of record that Apple lists: its address, and what identifies a record."""

    name: str
    path: str
    #: The member of the answer that holds the records.
    member: str
    record: type[Record]
    paging: Paging
    #: The fields that identify a record; none where Apple gives it no identity.
    key: tuple[str, ...]
    #: Whether Apple lists what changed since a version (or token) that it gave.
    has_delta: bool = False
    #: A second member that may hold records of the same kind.
    also: str | None = None
    #: What Apple's service config calls the address, where it may name another one.
    url_name: str | None = None
    #: What a request without a batchToken or sinceModifiedToken carries. Apple keeps it in the tokens that it gives.
    filters: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_legacy(self) -> bool:
        """Whether this belongs to the service that Apple no longer develops (v1), which is mirrored only on request."""
        return not self.path.startswith("/mdm/v2/")


RESOURCES: dict[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource(
            name="assets",
            path="/mdm/v2/assets",
            member="assets",
            also="unlimitedAssets",
            record=Asset,
            paging=Paging.INDEX,
            key=("adam_id", "pricing_param"),
            url_name="getAssets",
        ),
        Resource(
            name="assignments",
            path="/mdm/v2/assignments",
            member="assignments",
            record=Assignment,
            paging=Paging.INDEX,
            key=("serial_number", "client_user_id", "adam_id", "pricing_param"),
            has_delta=True,
            url_name="getAssignments",
        ),
        Resource(
            name="users",
            path="/mdm/v2/users",
            member="users",
            record=User,
            paging=Paging.INDEX,
            key=(),
            has_delta=True,
            url_name="getUsers",
        ),
        Resource(
            name="subscriptions",
            path="/mdm/v2/subscriptions",
            member="subscriptions",
            record=Subscription,
            paging=Paging.CURSOR,
            key=("adam_id",),
        ),
        Resource(
            name="subscription-assignments",
            path="/mdm/v2/subscriptions/assignments",
            member="assignments",
            record=SubscriptionAssignment,
            paging=Paging.CURSOR,
            key=("adam_id", "client_user_id"),
        ),
        Resource(
            name="subscription-admins",
            path="/mdm/v2/subscriptions/admins",
            member="admins",
            record=SubscriptionAdmin,
            paging=Paging.CURSOR,
            key=("adam_id", "client_user_id"),
        ),
        Resource(
            name="licenses",
            path="/mdm/getVPPLicensesSrv",
            member="licenses",
            record=License,
            paging=Paging.BATCH,
            key=("license_id_str",),
            has_delta=True,
        ),
        Resource(
            name="legacy-users",
            path="/mdm/getVPPUsersSrv",
            member="users",
            record=LegacyUser,
            paging=Paging.BATCH,
            key=("user_id",),
            has_delta=True,
            filters={"includeRetired": 1},
        ),
        Resource(
            name="legacy-assets",
            path="/mdm/getVPPAssetsSrv",
            member="assets",
            record=LegacyAsset,
            paging=Paging.SINGLE,
            key=("adam_id_str", "pricing_param"),
            filters={"includeLicenseCounts": True},
        ),
    )
}

#: The resources that are mirrored by default.
USUAL = tuple(name for name, resource in RESOURCES.items() if not resource.is_legacy)

#: The addresses that list no records.
CLIENT_CONFIG_PATH = "/mdm/v2/client/config"
CLIENT_CONFIG_URL_NAME = "clientConfig"
SERVICE_CONFIG_PATH = "/mdm/v2/service/config"
LEGACY_CONFIG_PATH = "/mdm/VPPServiceConfigSrv"
