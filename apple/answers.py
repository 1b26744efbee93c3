"""One answer of Apple's: its status and its whole body, compressed, before it is parsed."""

import gzip
import math
import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from .errors import AppleError, BadAnswer, error_of

#: A wait longer than a week is taken for a mistake of the server, and cut to a week.
RETRY_AFTER_LIMIT_SECONDS = 7 * 86_400.0


class _Problem(msgspec.Struct, rename="camel"):
    error_number: int | None = None
    error_message: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The status, the body (decoded, and compressed for the ledger), and the wait that the headers ask for."""

    status: int
    body: bytes = field(repr=False)
    packed: bytes = field(repr=False)
    retry_after: float | None
    seconds: float

    def problem(self) -> AppleError | None:
        """Return the error that this answer stands for; None for a plain success."""
        suspicious = b'"errorNumber"' in self.body
        if self.status == 200 and not suspicious:  # noqa: PLR2004 - HTTP's own number
            return None
        problem = _read_problem(self.body)
        if self.status == 200 and not problem.error_number:  # noqa: PLR2004 - as above
            return None
        return error_of(self.status, problem.error_number, problem.error_message or "", self.retry_after)


def _read_problem(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Problem()  # HTML or an empty body: only the status says something


def read_json(body: bytes, kind: type[Any], what: str) -> Any:
    """Return a body as the type; raise BadAnswer, which names what was read, if it has another shape."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise BadAnswer(f"({what}: {error})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer(f"({what}: the body is not JSON, or breaks off)") from None


def pack(body: bytes) -> bytes:
    """Return a body compressed for the ledger."""
    return gzip.compress(body, compresslevel=1, mtime=0)


def unpack(packed: bytes, limit: int) -> bytes:
    """Decompress a gzip body, and refuse one that grows beyond the limit."""
    stream = zlib.decompressobj(wbits=31)
    try:
        body = stream.decompress(packed, limit)
    except zlib.error:
        raise BadAnswer("(its compressed body is damaged)") from None
    if stream.unconsumed_tail:
        raise BadAnswer(f"(its body is larger than {limit // 1_000_000} MB)")
    if not stream.eof:
        raise BadAnswer("(its compressed body breaks off)")
    return body


def parse_retry_after(text: str | None, sent: str | None = None) -> float | None:
    """Return the seconds to wait of a `Retry-After`, a number or a date: None if it is neither, 0 if it is past.

    A date is compared with the answer's own `Date`: the clock of this host may be wrong, and so may Apple's.
    """
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        until, now = _moment(text), _moment(sent or "")
        if until is None:
            return None
        seconds = until - (time.time() if now is None else now)
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT_SECONDS) if math.isfinite(seconds) else None


def _moment(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
