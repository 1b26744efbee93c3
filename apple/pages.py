"""One page of a list: read from an answer, however the list is paged; a page that was not requested is refused."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from .errors import BadAnswer
from .questions import Question
from .records import Records, sort_fields
from .resources import Paging, Resource
from .tokens import MalformedToken, parse_date

#: Larger than any real number of pages or records, and small enough for every database.
_LARGEST = 2**31 - 1

#: The escape of the one character that no database takes. An escaped backslash before u0000 is not it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

#: A page has some thousand values. In memory each takes some hundred bytes, however few it has on the wire.
_VALUES_LIMIT = 100_000


class _Owner(msgspec.Struct):
    id: str | None = None
    name: Any = None  # only ever shown


class _Envelope(msgspec.Struct, kw_only=True, rename="camel"):
    """The members around the records, of all three kinds of paging: each page has some of them."""

    current_page_index: int | None = None
    next_page_index: int | None = None
    size: int | None = None
    total_pages: int | None = None
    version_id: str | None = None
    next_cursor: str | None = None
    status: int | None = None
    batch_token: str | None = None
    since_modified_token: str | None = None
    batch_count: int | None = None
    total_batch_count: int | None = None
    total_count: int | None = None
    u_id: str | None = None
    mdm_info: _Owner | None = None
    token_expiration_date: str | None = None
    expiration_millis: int | None = None


_COUNTS = ("total_pages", "size", "next_page_index", "batch_count", "total_batch_count", "total_count")


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page: its place in the list, what it says of the whole list, and its records."""

    index: int
    #: The index of the page after it; None where Apple says that this is the last.
    next_index: int | None
    #: How many pages there are, and in which state of the data: both may change from page to page. The legacy service
    #: has no states: there, the version is the token to ask for later changes by, which comes with the last batch.
    total: int | None
    version: str | None
    #: How many records Apple says are on this page; the first answer of the legacy service says how many are in all.
    size: int | None
    #: None where the answer has no list at all, which is not the same as an empty one.
    records: Records | None
    #: Whose data it is, and which service manages it.
    uid: str | None
    owner: str | None
    owner_name: str | None = field(default=None)
    token_expires: datetime | None = field(default=None)
    #: What the next request has to bring, where that is not a number.
    cursor: str | None = field(default=None, repr=False)


def read_page(question: Question, body: bytes) -> Page:
    """Return the page of a plain success; raise BadAnswer if it is not the page that was asked for."""
    if b"\\u0000" in body and _NUL.search(body):
        raise BadAnswer(f"({question}: a text in it holds the character U+0000)")
    if body.count(b",") + body.count(b"{") > _VALUES_LIMIT:
        raise BadAnswer(f"({question}: it holds more than {_VALUES_LIMIT:,} values)")
    envelope, records = _decode(question, body)
    for name in _COUNTS:
        if not 0 <= (getattr(envelope, name) or 0) <= _LARGEST:
            raise BadAnswer(f"({question}: {name} is out of all bounds)")
    return _READERS[question.resource.paging](question, envelope, records)


def _read_indexed(question: Question, envelope: _Envelope, records: Records | None) -> Page:
    if envelope.current_page_index not in {None, question.index}:
        raise BadAnswer(f"({question}: page {envelope.current_page_index} came instead)")
    if records is None and envelope.size == 0:
        records = Records()  # an empty list may be left out; the size says that it is empty
    return Page(
        index=question.index,
        next_index=envelope.next_page_index,
        total=1 if envelope.total_pages == 0 else envelope.total_pages,  # nothing at all is one empty page
        version=envelope.version_id,
        size=envelope.size,
        records=records,
        **_common(envelope),
    )


def _read_cursored(question: Question, envelope: _Envelope, records: Records | None) -> Page:
    if records is None and question.index == 0 and envelope.next_cursor is None and envelope.version_id is not None:
        records = Records()  # an empty list that nothing follows
    return Page(
        index=question.index,
        next_index=None if envelope.next_cursor is None else question.index + 1,
        total=None,
        version=envelope.version_id,
        size=None,
        records=records,
        cursor=envelope.next_cursor,
        **_common(envelope),
    )


def _read_batched(question: Question, envelope: _Envelope, records: Records | None) -> Page:
    if envelope.status not in {None, 0}:
        raise BadAnswer(f"({question}: its status is {envelope.status}, and no error is named)")
    batches, is_only = envelope.total_batch_count, question.cursor is None and envelope.batch_token is None
    has_token = envelope.batch_token is not None or envelope.since_modified_token is not None
    if is_only and envelope.since_modified_token is not None:
        total: int | None = 1
    else:  # the first answer is one, whether or not Apple counts it among its batches
        total = batches + 1 if batches else None
    if records is None and (has_token or not is_only):
        records = Records()  # a list without members is left out
    return Page(
        index=question.index,
        next_index=None if envelope.since_modified_token is not None else question.index + 1,
        total=total,
        version=envelope.since_modified_token,
        size=envelope.batch_count if envelope.total_count is None else envelope.total_count,
        records=records if has_token or not is_only else None,  # no token at all is never the end of a list
        cursor=envelope.batch_token,
        **_common(envelope),
    )


def _read_single(question: Question, envelope: _Envelope, records: Records | None) -> Page:
    if envelope.status not in {None, 0}:
        raise BadAnswer(f"({question}: its status is {envelope.status}, and no error is named)")
    return Page(
        index=0,
        next_index=None,
        total=1,
        version=envelope.version_id,
        size=envelope.total_count,
        records=Records() if records is None and not envelope.total_count else records,  # no list: there are none
        **_common(envelope),
    )


_READERS = {
    Paging.INDEX: _read_indexed,
    Paging.CURSOR: _read_cursored,
    Paging.BATCH: _read_batched,
    Paging.SINGLE: _read_single,
}


def _common(envelope: _Envelope) -> dict[str, Any]:
    return {
        "uid": envelope.u_id,
        "owner": envelope.mdm_info.id if envelope.mdm_info else None,
        "owner_name": _name(envelope.mdm_info),
        "token_expires": _date(envelope),
    }


def _name(owner: _Owner | None) -> str | None:
    return owner.name if owner is not None and isinstance(owner.name, str) else None


def _decode(question: Question, body: bytes) -> tuple[_Envelope, Records | None]:
    problem = ""
    for read in (_quickly, _carefully):  # an unknown field, or a wrong type: the careful reader tells them apart
        try:
            return read(question.resource, body)
        except msgspec.ValidationError as error:
            problem = str(error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            problem = "the body is not JSON, or breaks off"
    raise BadAnswer(f"({question}: {problem})")


def _quickly(resource: Resource, body: bytes) -> tuple[_Envelope, Records | None]:
    envelope = _decoder(resource.name, _members(resource), resource.record, not resource.is_legacy).decode(body)
    return _gather(resource, envelope, lambda listed: Records(known=listed))


def _carefully(resource: Resource, body: bytes) -> tuple[_Envelope, Records | None]:
    strict = not resource.is_legacy
    envelope = _decoder(resource.name, _members(resource), dict[str, Any], strict).decode(body)
    return _gather(resource, envelope, lambda listed: sort_fields(resource.record, listed, strict=strict))


def _gather(resource: Resource, envelope: Any, read: Any) -> tuple[_Envelope, Records | None]:
    """Join the lists of an answer. It is not known whether `size` counts the second one: here it does."""
    first, *others = (getattr(envelope, name) for name in _members(resource))
    records = None if first is None else read(first)
    for other in others:
        if other is not None:
            if records is not None and envelope.size == len(records):
                envelope.size += len(other)
            records = (records or Records()) + read(other)
    return envelope, records


def _members(resource: Resource) -> tuple[str, ...]:
    return (resource.member,) if resource.also is None else (resource.member, resource.also)


@cache
def _decoder(name: str, members: tuple[str, ...], record: Any, strict: bool) -> "msgspec.json.Decoder[Any]":  # noqa: FBT001 - a cache takes positions
    listing = list[record] | None
    fields = [(member, listing, None) for member in members]
    kind = msgspec.defstruct(f"{name}_page", fields, bases=(_Envelope,), kw_only=True, rename="camel")
    # The legacy service may send any number as a text.
    return msgspec.json.Decoder(kind, strict=strict)


def _date(envelope: _Envelope) -> datetime | None:
    try:
        if envelope.token_expiration_date is not None:
            return parse_date(envelope.token_expiration_date)
        if envelope.expiration_millis is not None:
            return datetime.fromtimestamp(envelope.expiration_millis / 1000, UTC)
    except (MalformedToken, ValueError, OverflowError, OSError):
        pass  # it is only ever shown: no reason to refuse the records beside it
    return None
