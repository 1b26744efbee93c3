"""The mirror's tables: one a resource, with a typed column a known field and the rest in `extra`.

Each row also carries `record`, the whole of it as Apple names things: what the feed and an export show, and the one
column that tells whether anything differs. A row with a key at Apple has the record's fingerprint beside it.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import sqlalchemy as sa

from apple.records import AdamNumber, Records, User, apple_names
from apple.resources import RESOURCES, Resource

from ..identity import digest_of, dump_document, encode_records, fingerprints
from ..schema import metadata
from ..sql import Carried, Document, Identity, Key

_TYPES: dict[Any, Any] = {
    str: sa.Text(),
    int: sa.BigInteger(),
    bool: sa.Boolean(),
    AdamNumber: sa.Text(),  # a text everywhere, so that tables can be joined by it
    list[str]: Document,
    dict[str, Any]: Document,
}

#: One record as it stands in a table: the key, the other fields, the unknown rest, and the whole as JSON.
Row = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """How one resource is kept: its table, which columns identify a row, and how a record becomes one."""

    resource: Resource
    table: sa.Table
    #: Columns that identify a row, besides the location.
    key: tuple[str, ...]
    #: Columns that hold the record itself, with the name each has at Apple.
    fields: dict[str, str]
    make_rows: Callable[[Records], Iterator[Row]]
    #: True where rows are counted, since equal records are as many records.
    is_counted: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns of a row, in the order in which `make_rows` gives them."""
        own = tuple(name for name in self.fields if name not in self.key)
        return (*self.key, *own, "extra", "record", "copies" if self.is_counted else "fingerprint")


def _plain(annotation: Any) -> Any:
    """Return the type of a field that may also be absent."""
    plain = get_args(annotation)[0] if get_origin(annotation) in {Union, UnionType} else annotation
    return get_args(plain)[0] if get_origin(plain) is Annotated else plain


def _type(annotation: Any) -> Any:
    return _TYPES[_plain(annotation)]


def _keyed(resource: Resource) -> Mirror:
    # A key has no nulls: an absent part of it is the empty text.
    fields = apple_names(resource.record)
    annotations = {one.name: one.type for one in msgspec.structs.fields(resource.record)}
    own = [name for name in fields if name not in resource.key]
    table = sa.Table(
        f"mirror_{resource.name.replace('-', '_')}",
        metadata,
        sa.Column("location_id", Identity, primary_key=True),
        *(sa.Column(name, Key, primary_key=True, server_default="") for name in resource.key),
        *(sa.Column(name, _type(annotations[name])) for name in own),
        sa.Column("extra", Document),
        sa.Column("record", Carried, nullable=False),
        sa.Column("fingerprint", sa.BigInteger),  # null until the first full crawl with a version that knows it
    )
    written = {name: write for name in own if (write := _WRITTEN.get(_plain(annotations[name]))) is not None}
    has_numbers = any(_plain(annotations[name]) is not str for name in resource.key)
    rows = _KeyedRows(key=resource.key, own=tuple(own), written=written, has_numbers=has_numbers)
    return Mirror(resource=resource, table=table, key=resource.key, fields=fields, make_rows=rows, is_counted=False)


@dataclass(frozen=True, kw_only=True)
class _KeyedRows:
    """Makes rows of records that have an identity at Apple."""

    key: tuple[str, ...]
    own: tuple[str, ...]
    #: How to write the fields that no driver writes as they are.
    written: dict[str, Callable[[Any], str | None]]
    #: Whether a part of the key is a number at Apple; here every part is a text.
    has_numbers: bool

    def __call__(self, records: Records) -> Iterator[Row]:
        """Make them column by column, which takes a third of the time that they take row by row."""
        lines = encode_records(records)
        texts = b"\n".join(lines).decode().split("\n") if lines else []
        unknown = records.unknown
        extras = [dump_document(unknown.get(position)) for position in range(len(lines))] if unknown else repeat(None)
        columns = zip(*map(operator.attrgetter(*self.key, *self.own), records.known), strict=True)
        written = (self._write(name, values) for name, values in zip((*self.key, *self.own), columns, strict=False))
        return zip(*written, extras, texts, fingerprints(lines), strict=False)

    def _write(self, name: str, values: Row) -> Iterable[Any]:
        if name in self.key:
            values = tuple(map(_write_number, values)) if self.has_numbers else values
            return [part or "" for part in values]
        write = self.written.get(name)
        return values if write is None else map(write, values)


def _users(resource: Resource) -> Mirror:
    fields = apple_names(resource.record)
    table = sa.Table(
        "mirror_users",
        metadata,
        sa.Column("location_id", Identity, primary_key=True),
        sa.Column("standing", Key, primary_key=True),  # active or retired
        sa.Column("identity", Key, primary_key=True),  # the clientUserId of an active one, else a digest
        *(sa.Column(name, sa.Text) for name in fields),
        sa.Column("extra", Document),
        sa.Column("record", Carried, nullable=False),
        sa.Column("copies", sa.BigInteger, nullable=False, server_default="1"),
    )
    key = ("standing", "identity")
    return Mirror(resource=resource, table=table, key=key, fields=fields, make_rows=_user_rows, is_counted=True)


def _user_rows(records: Records) -> Iterator[Row]:
    for position, (line, user) in enumerate(zip(encode_records(records), records.known, strict=True)):
        text, extra = line.decode(), records.unknown.get(position)
        yield (*_standing(user, text), *msgspec.structs.astuple(user), dump_document(extra), text, 1)


def _standing(user: User, text: str) -> tuple[str, str]:
    if user.is_active and user.client_user_id:
        return "active", user.client_user_id
    return "retired", digest_of(text)


def _write_number(number: Any) -> str | None:
    return None if number is None else str(number)


_WRITTEN: dict[Any, Callable[[Any], str | None]] = {
    AdamNumber: _write_number,
    list[str]: dump_document,
    dict[str, Any]: dump_document,
}

#: The mirror of every resource.
MIRRORS: dict[str, Mirror] = {
    name: _users(resource) if name == "users" else _keyed(resource) for name, resource in RESOURCES.items()
}
