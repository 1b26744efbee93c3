"""One table of everything that Apple lists. Nothing else in the code names an endpoint."""

from dataclasses import dataclass
from enum import StrEnum

from .records import Asset, Assignment, Record, User


class Paging(StrEnum):
    """How Apple hands out a long list."""

    INDEX = "index"  #: any page at any time, by its number


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of record that Apple lists: where it is asked for, and what tells one record from another."""

    name: str
    path: str
    #: The member of the answer that holds the records.
    member: str
    record: type[Record]
    paging: Paging
    #: The fields that identify a record; none where Apple gives it no identity.
    key: tuple[str, ...]


RESOURCES: dict[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource(
            name="assets",
            path="/mdm/v2/assets",
            member="assets",
            record=Asset,
            paging=Paging.INDEX,
            key=("adam_id", "pricing_param"),
        ),
        Resource(
            name="assignments",
            path="/mdm/v2/assignments",
            member="assignments",
            record=Assignment,
            paging=Paging.INDEX,
            key=("adam_id", "pricing_param", "client_user_id", "serial_number"),
        ),
        Resource(
            name="users",
            path="/mdm/v2/users",
            member="users",
            record=User,
            paging=Paging.INDEX,
            key=(),
        ),
    )
}

#: The two questions that are not about records.
CLIENT_CONFIG_PATH = "/mdm/v2/client/config"
SERVICE_CONFIG_PATH = "/mdm/v2/service/config"
