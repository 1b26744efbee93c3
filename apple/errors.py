"""Everything that can go wrong with a request to Apple, and which of Apple's numbers means what.

AppleError
├── Away                 not there now; asking again later may help
│   ├── Unreachable      no connection
│   ├── Overdue          no whole answer within the deadline
│   ├── ServerError      Apple says that it has trouble (5xx, 9603, 9644, 9729)
│   ├── Moved            the address is another one now: it is in the service config
│   └── BadAnswer        an answer that is not what Apple documents
├── Forbidden            this list is not for this token: a person has to look at it
├── Unkeepable           a record that no database can keep: a person has to look at it
├── SlowDown             too many requests: wait, for the whole location
├── TokenRefused         the token is no good; a person has to act
│   ├── TokenExpired
│   ├── TokenRevoked
│   ├── TokenWrong
│   └── TokenForbidden
├── Stale                what the request went on from is dead: start over in full
│   ├── StaleVersion
│   └── StaleCursor
├── BeyondEnd            no page at that index
├── WrongRequest         our own mistake
├── ReceiverRefused      Apple does not send notices there
└── NotOurs              the answer belongs to somebody else
    ├── OtherLocation    another uId than the token's
    └── OtherOwner       another service took the location
"""

from dataclasses import dataclass

from .texts import masked


class AppleError(Exception):
    """Apple's answer was not what was asked for."""

    def __init__(self, detail: str = "", *, number: int | None = None, retry_after: float | None = None) -> None:
        """Make the message of the docstring and the detail; what a decision needs is kept as attributes."""
        happened = (self.__doc__ or "").strip().removesuffix(".")
        super().__init__(f"{happened} {detail}".strip() + ".")
        self.number = number
        self.retry_after = retry_after


class Away(AppleError):
    """Apple could not answer just now."""


class Unreachable(Away):
    """Apple could not be reached."""


class Overdue(Away):
    """Apple did not answer in time."""


class ServerError(Away):
    """Apple reports trouble on its side."""


class Moved(Away):
    """Apple answers at another address now."""


class BadAnswer(Away):
    """Apple's answer could not be understood."""


class Forbidden(AppleError):
    """Apple does not let the token read this list."""


class Unkeepable(AppleError):
    """Apple sent a record that cannot be kept."""


class SlowDown(AppleError):
    """Apple asks for fewer requests."""


class TokenRefused(AppleError):
    """Apple refused the token."""


class TokenExpired(TokenRefused):
    """The token has expired."""


class TokenRevoked(TokenRefused):
    """The token was revoked."""


class TokenWrong(TokenRefused):
    """Apple does not know this token."""


class TokenForbidden(TokenRefused):
    """A token of this kind may not use the service."""


class Stale(AppleError):
    """What this request went on from is no longer valid."""


class StaleVersion(Stale):
    """Apple no longer knows this version."""


class StaleCursor(Stale):
    """Apple no longer knows this cursor or batch token."""


class BeyondEnd(AppleError):
    """Apple has no page at this index."""


class WrongRequest(AppleError):
    """Apple calls the request itself wrong."""


class ReceiverRefused(AppleError):
    """Apple does not send notices to this address."""


class NotOurs(AppleError):
    """The answer does not belong to this location."""


class OtherLocation(NotOurs):
    """The token opens another location than the one it is kept for."""


class OtherOwner(NotOurs):
    """Another management service took this location over."""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What one of Apple's error numbers means to a crawler, in words a person can use."""

    error: type[AppleError]
    words: str


_WRITES = Meaning(error=WrongRequest, words="an error of requests that write, and this was none")

#: Apple's number -> what it means. Every surface that shows a number takes its words from here.
NUMBERS: dict[int, Meaning] = {
    # What Apple only answers where something is written.
    **dict.fromkeys(
        [*range(9604, 9608), *range(9609, 9617), 9618, 9619, 9620, 9623, 9624, *range(9626, 9629)], _WRITES
    ),
    **dict.fromkeys([9635, 9636, *range(9638, 9644), 9645, *range(9700, 9710), *range(9713, 9721)], _WRITES),
    **dict.fromkeys([*range(9723, 9726), 9811, *range(9814, 9819)], _WRITES),
    9600: Meaning(error=WrongRequest, words="an argument is missing"),
    9601: Meaning(error=TokenWrong, words="a login is required"),
    9602: Meaning(error=WrongRequest, words="an argument is invalid"),
    9603: Meaning(error=ServerError, words="internal error"),
    9608: Meaning(error=ServerError, words="the service could not be reached inside Apple"),
    9617: Meaning(error=Moved, words="the address has moved"),
    9621: Meaning(error=TokenExpired, words="it is past its year of validity"),
    9622: Meaning(error=TokenWrong, words="the token is invalid"),
    9625: Meaning(error=TokenRevoked, words="a newer one was downloaded, or the password of the account was reset"),
    9629: Meaning(error=StaleCursor, words="the batch token does not fit the content token"),
    9630: Meaning(error=SlowDown, words="too many calls"),
    9631: Meaning(error=SlowDown, words="too many calls"),
    9632: Meaning(error=SlowDown, words="too many calls"),
    9633: Meaning(error=StaleCursor, words="the batch could not be recovered"),
    9634: Meaning(error=WrongRequest, words="the service is no longer available"),
    9637: Meaning(error=TokenForbidden, words="not allowed for a facilitator's account"),
    9644: Meaning(error=ServerError, words="maintenance"),
    9646: Meaning(error=SlowDown, words="too many requests for the organisation"),
    9647: Meaning(error=TokenForbidden, words="not available for legacy tokens"),
    9649: Meaning(error=WrongRequest, words="the page index is missing"),
    9650: Meaning(error=BeyondEnd, words="the page index is out of range"),
    9710: Meaning(error=ReceiverRefused, words="the address and its secret go together"),
    9711: Meaning(error=ReceiverRefused, words="the address is too long"),
    9712: Meaning(error=ReceiverRefused, words="the address is not valid"),
    9728: Meaning(error=ReceiverRefused, words="a test notice was not answered with success"),
    9721: Meaning(error=StaleVersion, words="the version is invalid"),
    9722: Meaning(error=TokenWrong, words="the authorization header is malformed"),
    9726: Meaning(error=WrongRequest, words="the method is not allowed"),
    9727: Meaning(error=WrongRequest, words="the content type is not supported"),
    9729: Meaning(error=ServerError, words="temporarily unavailable"),
    9812: Meaning(error=StaleCursor, words="the cursor is invalid"),
    9813: Meaning(error=WrongRequest, words="the Adam id is invalid"),
}

#: A status without a number that anyone documented still says something.
_STATUSES: dict[int, type[AppleError]] = {401: TokenWrong, 403: Forbidden, 408: ServerError, 429: SlowDown}


def error_of(status: int, number: int | None, text: str = "", retry_after: float | None = None) -> AppleError:
    """Turn an answer that is not a plain success into the error it stands for; the number is looked at first."""
    meaning = NUMBERS.get(number) if number else None
    if meaning is not None:
        return meaning.error(f"({meaning.words}, {number})", number=number, retry_after=retry_after)
    kind = _of_status(status)
    said = masked(text) or "no explanation"
    what = f"error {number}, which is not documented" if number else f"status {status}"
    return kind(f"({what}: {said})", number=number, retry_after=retry_after)


def _of_status(status: int) -> type[AppleError]:
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= 500:  # noqa: PLR2004 - the line between the two halves of HTTP's errors
        return ServerError
    return BadAnswer if status < 400 else WrongRequest  # noqa: PLR2004 - as above
