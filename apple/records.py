"""The records that Apple lists, field by field, and how a list of them is read.

Known fields are typed; what Apple adds later is kept beside the record it came with, and never dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NewType

import msgspec

from .errors import Unkeepable
from .texts import masked

#: An Adam id where Apple sends a number; elsewhere it sends a text, and as a text it is kept.
AdamNumber = NewType("AdamNumber", int)

#: A number that every database can hold.
Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


#: A key longer than this fits into no index: a row of PostgreSQL's holds 2,704 bytes, and a character may take four.
ID_LIMIT = 600

#: A field that identifies records, or may.
Id = Annotated[str, msgspec.Meta(max_length=ID_LIMIT)]


class Record(msgspec.Struct, kw_only=True, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """One record of any resource: a field that Apple left out, or sent as null, is None."""


class Asset(Record, frozen=True):
    """An app or a book, in one pricing."""

    adam_id: Id
    pricing_param: Id
    product_type: str | None = None
    assigned_count: Number | None = None
    available_count: Number | None = None
    retired_count: Number | None = None
    total_count: Number | None = None
    device_assignable: bool | None = None
    revocable: bool | None = None
    supported_platforms: list[str] | None = None


class Assignment(Record, frozen=True):
    """An asset given to a user or to a device."""

    adam_id: Id
    pricing_param: Id
    client_user_id: Id | None = None
    serial_number: Id | None = None
    user_status: str | None = None
    id_hash: str | None = None


class User(Record, frozen=True):
    """A user; many retired ones may share a `clientUserId`, at most one is active."""

    client_user_id: Id | None = None
    email: str | None = None
    status: str | None = None
    invite_code: str | None = None
    id_hash: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether this is the active user of its `clientUserId`."""
        return self.status not in {"Retired", "Deleted"}


_SEATS = ("assigned", "available", "total")
_KINDS_OF_SEAT = ("renewing", "expiring")


class Subscription(Record, frozen=True):
    """A subscription to an app's content, with its seats."""

    adam_id: AdamNumber
    parent_adam_id: AdamNumber | None = None
    status: str | None = None
    period_end_date: str | None = None
    #: `assigned`, `available` and `total`, each with `renewing` and `expiring`, and whatever Apple adds to them.
    counts: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check the counts, which stay a document so that nothing in them is dropped."""
        for seat in _SEATS:
            seats = (self.counts or {}).get(seat)
            if seats is not None and not isinstance(seats, dict):
                raise TypeError(f"Expected `object`, got `{type(seats).__name__}` in counts.{seat}")
            for kind in _KINDS_OF_SEAT:
                count = (seats or {}).get(kind)
                if count is not None and type(count) is not int:
                    raise TypeError(f"Expected `int`, got `{type(count).__name__}` in counts.{seat}.{kind}")


class SubscriptionAssignment(Record, frozen=True):
    """A subscription given to a user."""

    adam_id: AdamNumber
    client_user_id: Id
    renewing: bool | None = None


class SubscriptionAdmin(Record, frozen=True):
    """A user who may administer a subscription."""

    adam_id: AdamNumber
    client_user_id: Id
    id_hash: str | None = None
    user_status: str | None = None


class License(Record, frozen=True):
    """One licence of the legacy service, assigned or not."""

    license_id_str: Id
    license_id: Number | None = None
    adam_id: AdamNumber | None = None
    adam_id_str: str | None = None
    pricing_param: str | None = None
    product_type_id: Number | None = None
    product_type_name: str | None = None
    is_irrevocable: bool | None = None
    status: str | None = None
    user_id: Number | None = None
    user_id_str: str | None = None
    client_user_id_str: str | None = None
    its_id_hash: str | None = None
    serial_number: str | None = None


class LegacyAsset(Record, frozen=True):
    """An app or a book as the legacy service counts it."""

    adam_id_str: Id
    pricing_param: str
    product_type_id: Number | None = None
    product_type_name: str | None = None
    is_irrevocable: bool | None = None
    device_assignable: bool | None = None
    assigned_count: Number | None = None
    available_count: Number | None = None
    retired_count: Number | None = None
    total_count: Number | None = None


class LegacyUser(Record, frozen=True):
    """A user as the legacy service shows it, which gives every one an identity."""

    user_id: Number
    user_id_str: str | None = None
    client_user_id_str: str | None = None
    email: str | None = None
    status: str | None = None
    its_id_hash: str | None = None
    invite_code: str | None = None
    invite_url: str | None = None


#: The fields that are ids, as Apple names them.
_IDS = {"adamId", "pricingParam", "clientUserId", "serialNumber", "licenseIdStr"}


@dataclass(frozen=True, kw_only=True)
class Records:
    """The records of one page in Apple's order, with the unknown fields of those that had any."""

    known: list[Any] = field(default_factory=list)
    unknown: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the records."""
        return len(self.known)

    def __add__(self, other: "Records") -> "Records":
        """Return these records and then those of another list."""
        moved = {len(self.known) + position: rest for position, rest in other.unknown.items()}
        return Records(known=self.known + other.known, unknown=self.unknown | moved)

    def pick(self, places: Sequence[int]) -> "Records":
        """Return the records at these places."""
        unknown = {new: self.unknown[old] for new, old in enumerate(places) if old in self.unknown}
        return Records(known=[self.known[place] for place in places], unknown=unknown)


def apple_names(kind: type[Record]) -> dict[str, str]:
    """Map each field of a record to the name it has at Apple."""
    return {one.name: one.encode_name for one in msgspec.structs.fields(kind)}


def sort_fields(kind: type[Record], raw: list[dict[str, Any]], *, strict: bool = True) -> Records:
    """Return records with their unknown fields: slower, and only for a page that has any."""
    names = set(apple_names(kind).values())
    known, unknown = [], {}
    for position, one in enumerate(raw):
        _refuse_long(one, position)
        rest = {name: value for name, value in one.items() if name not in names}
        if rest:
            unknown[position] = rest
        known.append(_convert(kind, {name: value for name, value in one.items() if name in names}, position, strict))
    return Records(known=known, unknown=unknown)


def _refuse_long(raw: dict[str, Any], position: int) -> None:
    """Refuse a record that no database can store: another request would only return it again."""
    for name in _IDS & set(raw):
        value = raw[name]
        if isinstance(value, str) and len(value) > ID_LIMIT:
            raise Unkeepable(f"(record {position}: its {name}, '{masked(value[:20])}…', has {len(value):,} characters)")


def _convert(kind: type[Record], raw: dict[str, Any], position: int, strict: bool) -> Record:  # noqa: FBT001 - msgspec's
    try:
        return msgspec.convert(raw, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{error} - in record {position}") from None
