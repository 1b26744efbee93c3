"""The mirror's tables: one a resource, with a typed column a known field and the rest in `extra`.

Each row also carries `record`, the whole of it as Apple names things: what the feed and an export show, and the one
column that tells whether anything differs.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, get_args

import msgspec
import sqlalchemy as sa

from apple.records import Record, Records, User, apple_names
from apple.resources import RESOURCES, Resource

from .columns import Carried, Document, Identity, Key
from .schema import metadata

_TYPES: dict[Any, Any] = {str: sa.Text(), int: sa.BigInteger(), bool: sa.Boolean(), list[str]: Document}

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
        return (*self.key, *own, "extra", "record", *(("copies",) if self.is_counted else ()))


def _type(annotation: Any) -> Any:
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return _TYPES[kinds[0]]


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
    )
    rows = _KeyedRows(key=resource.key, own=tuple(own), documents=_documents(resource.record, own))
    return Mirror(resource=resource, table=table, key=resource.key, fields=fields, make_rows=rows, is_counted=False)


def _documents(record: type[Record], names: list[str]) -> frozenset[str]:
    listed = {one.name for one in msgspec.structs.fields(record) if list[str] in get_args(one.type)}
    return frozenset(listed & set(names))


@dataclass(frozen=True, kw_only=True)
class _KeyedRows:
    """Makes rows of records that Apple gives an identity."""

    key: tuple[str, ...]
    own: tuple[str, ...]
    documents: frozenset[str]

    def __call__(self, records: Records) -> Iterator[Row]:
        for position, record in enumerate(records.known):
            extra = records.unknown.get(position)
            key = [getattr(record, name) or "" for name in self.key]
            own = [self._value(name, getattr(record, name)) for name in self.own]
            yield (*key, *own, dump_document(extra), whole(record, extra))

    def _value(self, name: str, value: Any) -> Any:
        return dump_document(value) if name in self.documents else value


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
    for position, user in enumerate(records.known):
        extra = records.unknown.get(position)
        text = whole(user, extra)
        yield (*_standing(user, text), *msgspec.structs.astuple(user), dump_document(extra), text, 1)


def _standing(user: User, text: str) -> tuple[str, str]:
    if user.is_active and user.client_user_id:
        return "active", user.client_user_id
    return "retired", hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


_encode = msgspec.json.Encoder(order="sorted").encode


def dump_document(value: Any) -> str | None:
    """Write a value for a document column; always the same text for the same value."""
    return None if value is None else _encode(value).decode()


def whole(record: Record, extra: dict[str, Any] | None) -> str:
    """Write a record under Apple's own names, with what we did not know of."""
    if extra is None:
        return _encode(record).decode()
    return _encode(msgspec.to_builtins(record) | extra).decode()


#: The mirror of every resource.
MIRRORS: dict[str, Mirror] = {
    name: _users(resource) if name == "users" else _keyed(resource) for name, resource in RESOURCES.items()
}
