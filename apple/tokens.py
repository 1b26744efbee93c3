"""The content token (sToken): read from the file that Apple gives, checked, and masked wherever it is shown."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")

#: A token is a few hundred bytes; a file far above that is some other file.
FILE_LIMIT_BYTES = 64 * 1024


class MalformedToken(ValueError):
    """A text that is not a content token; the message says why, for the person who gave it."""


class _Inner(msgspec.Struct):
    token: str
    expires: str = msgspec.field(name="expDate")
    organisation: str = msgspec.field(name="orgName", default="")


@dataclass(frozen=True, kw_only=True)
class Token:
    """A content token as Apple gave it, with what it says of itself; only `text` is a secret."""

    text: str = field(repr=False)
    expires: datetime
    organisation: str

    def is_expired(self, now: datetime) -> bool:
        """Return whether its time has run out."""
        return self.expires <= now


def parse_token(raw: bytes) -> Token:
    """Return the token of a `.vpptoken` file. Its text is kept unchanged, as Apple wants it."""
    if not raw.strip():
        raise MalformedToken("it is empty")
    if len(raw) > FILE_LIMIT_BYTES:
        raise MalformedToken(f"it is larger than {FILE_LIMIT_BYTES // 1024} kB")
    text = raw.decode("ascii", errors="replace").strip()
    if not _BASE64.fullmatch(text):
        raise MalformedToken("it is not one base64 text")
    inner = _decode(text)
    if not inner.token.strip():
        raise MalformedToken("its member 'token' is empty")
    return Token(text=text, expires=parse_date(inner.expires), organisation=inner.organisation)


def parse_date(text: str) -> datetime:
    """Return one of Apple's dates, `2030-11-08T22:33:22+0000`; without an offset it is UTC.

    The offset has no colon, which `fromisoformat` accepts from Python 3.11 on.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: a year out of range once the offset is subtracted
        raise MalformedToken(f"'{text[:40]}' is not a date such as 2030-11-08T22:33:22+0000") from None


def _decode(text: str) -> _Inner:
    # No error of these libraries is raised further: their texts quote what they read, which is the secret.
    try:
        inner = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedToken("it is not whole: the base64 text breaks off") from None
    try:
        return msgspec.json.decode(inner, type=_Inner)
    except msgspec.ValidationError as error:
        raise MalformedToken(f"its JSON has another shape than a content token's ({error})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedToken("the base64 text holds no JSON") from None
