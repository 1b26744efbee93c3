"""One page of a list, whatever the way of paging: read from an answer, checked, and refused if it is another page."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from .errors import BadAnswer
from .records import Records, sort_fields
from .resources import Resource
from .tokens import MalformedToken, parse_date

#: No number of pages or records comes near it, and every database can hold it.
_LARGEST = 2**31 - 1

#: The one sign that no database takes; no name or address has it either.
_NUL = b"\\u0000"


class _Owner(msgspec.Struct):
    id: str | None = None


class _Envelope(msgspec.Struct, kw_only=True, rename="camel"):
    current_page_index: int | None = None
    next_page_index: int | None = None
    size: int | None = None
    total_pages: int | None = None
    version_id: str | None = None
    u_id: str | None = None
    mdm_info: _Owner | None = None
    token_expiration_date: str | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page: its place in the list, what it says of the whole list, and its records."""

    index: int
    #: The index of the page after it; None where Apple says that this is the last.
    next_index: int | None
    #: How many pages there are, and in which state of the data: both may change from page to page.
    total: int | None
    version: str | None
    #: How many records Apple says are on this page.
    size: int | None
    #: None where the answer has no list at all, which is not the same as an empty one.
    records: Records | None
    #: Whose data it is, and which service manages it.
    uid: str | None
    owner: str | None
    token_expires: datetime | None = field(default=None)


def read_page(resource: Resource, index: int, body: bytes) -> Page:
    """Read the body of a plain success; what is not the page that was asked for is a BadAnswer naming it."""
    if _NUL in body:
        raise BadAnswer(f"({resource.name} page {index}: a text in it holds the sign U+0000)")
    envelope, records = _decode(resource, index, body)
    if envelope.current_page_index not in {None, index}:
        raise BadAnswer(f"({resource.name} page {index}: page {envelope.current_page_index} came instead)")
    for name in ("total_pages", "size", "next_page_index"):
        if not 0 <= (getattr(envelope, name) or 0) <= _LARGEST:
            raise BadAnswer(f"({resource.name} page {index}: {name} is out of all bounds)")
    return Page(
        index=index,
        next_index=envelope.next_page_index,
        total=envelope.total_pages,
        version=envelope.version_id,
        size=envelope.size,
        records=records,
        uid=envelope.u_id,
        owner=envelope.mdm_info.id if envelope.mdm_info else None,
        token_expires=_date(envelope.token_expiration_date),
    )


def _decode(resource: Resource, index: int, body: bytes) -> tuple[_Envelope, Records | None]:
    try:
        return _quickly(resource, body)
    except msgspec.ValidationError:
        pass  # a field that nobody knew of, or a wrong type: the careful way tells them apart
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadAnswer(f"({resource.name} page {index}: the body is not JSON, or breaks off)") from None
    try:
        return _carefully(resource, body)
    except msgspec.ValidationError as error:
        raise BadAnswer(f"({resource.name} page {index}: {error})") from None


def _quickly(resource: Resource, body: bytes) -> tuple[_Envelope, Records | None]:
    envelope = _decoder(resource.name, resource.member, resource.record).decode(body)
    known = getattr(envelope, resource.member)
    return envelope, None if known is None else Records(known=known)


def _carefully(resource: Resource, body: bytes) -> tuple[_Envelope, Records | None]:
    envelope = _decoder(resource.name, resource.member, dict[str, Any]).decode(body)
    raw = getattr(envelope, resource.member)
    return envelope, None if raw is None else sort_fields(resource.record, raw)


@cache
def _decoder(name: str, member: str, record: Any) -> "msgspec.json.Decoder[Any]":
    listing = list[record] | None
    kind = msgspec.defstruct(
        f"{name}_page", [(member, listing, None)], bases=(_Envelope,), kw_only=True, rename="camel"
    )
    return msgspec.json.Decoder(kind)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_date(text)
    except MalformedToken:
        return None  # it is only ever shown: no reason to refuse the records beside it
