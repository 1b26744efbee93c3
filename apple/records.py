"""The records that Apple lists, field by field, and how a list of them is read.

Known fields are typed; what Apple adds later is kept beside the record it came with, and never dropped.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec


class Record(msgspec.Struct, kw_only=True, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """One record of any resource: a field that Apple left out, or sent as null, is None."""


class Asset(Record, frozen=True):
    """An app or a book, in one pricing."""

    adam_id: str
    pricing_param: str
    product_type: str | None = None
    assigned_count: int | None = None
    available_count: int | None = None
    retired_count: int | None = None
    total_count: int | None = None
    device_assignable: bool | None = None
    revocable: bool | None = None
    supported_platforms: list[str] | None = None


class Assignment(Record, frozen=True):
    """An asset given to a user or to a device."""

    adam_id: str
    pricing_param: str
    client_user_id: str | None = None
    serial_number: str | None = None
    user_status: str | None = None
    id_hash: str | None = None


class User(Record, frozen=True):
    """A user; many retired ones may share a `clientUserId`, at most one is active."""

    client_user_id: str | None = None
    email: str | None = None
    status: str | None = None
    invite_code: str | None = None
    id_hash: str | None = None

    @property
    def is_active(self) -> bool:
        """Tell whether this is the living one of its `clientUserId`."""
        return self.status not in {"Retired", "Deleted"}


@dataclass(frozen=True, kw_only=True)
class Records:
    """The records of one page in Apple's order, with the unknown fields of those that had any."""

    known: list[Any] = field(default_factory=list)
    unknown: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the records."""
        return len(self.known)


def apple_names(kind: type[Record]) -> dict[str, str]:
    """Map each field of a record to the name it has at Apple."""
    return {one.name: one.encode_name for one in msgspec.structs.fields(kind)}


def sort_fields(kind: type[Record], raw: list[dict[str, Any]]) -> Records:
    """Read records that hold fields nobody knew of: the slow way, for the page that needs it."""
    names = set(apple_names(kind).values())
    known, unknown = [], {}
    for position, one in enumerate(raw):
        rest = {name: value for name, value in one.items() if name not in names}
        if rest:
            unknown[position] = rest
        known.append(_convert(kind, {name: value for name, value in one.items() if name in names}, position))
    return Records(known=known, unknown=unknown)


def _convert(kind: type[Record], raw: dict[str, Any], position: int) -> Record:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{error} - in record {position}") from None
