"""What identifies records: a digest of a page of them, and a fingerprint of each."""

import hashlib
import struct
from typing import Any

import msgspec

from apple.records import Records

_encoder = msgspec.json.Encoder(order="sorted")


def dump_document(value: Any) -> str | None:
    """Write a value as JSON; always the same text for the same value."""
    return None if value is None else _encoder.encode(value).decode()


def encode_records(records: Records) -> list[bytes]:
    """Return each record as JSON under Apple's names, with its unknown fields."""
    lines = _encoder.encode_lines(records.known).split(b"\n")[:-1]
    for position, extra in records.unknown.items():
        lines[position] = _encoder.encode(msgspec.to_builtins(records.known[position]) | extra)
    return lines


def digest_records(records: Records) -> bytes:
    """Return a digest of the records of a page, in their order; two pages with one digest have the same records."""
    digest = hashlib.blake2b(_encoder.encode_lines(records.known), digest_size=16)
    for position, extra in sorted(records.unknown.items()):
        digest.update(_encoder.encode([position, extra]))
    return digest.digest()


def digest_of(text: str) -> str:
    """Return a digest of a whole record, which identifies one that Apple gives no identity."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def fingerprints(lines: list[bytes]) -> tuple[int, ...]:
    """Return the fingerprint of each encoded record: 64 bits of a hash over all of it."""
    return struct.unpack(f"<{len(lines)}q", b"".join(map(_hash, lines)))


_BLANK = hashlib.blake2b(digest_size=8)


def _hash(line: bytes) -> bytes:
    one = _BLANK.copy()  # a quarter cheaper than making one
    one.update(line)
    return one.digest()
