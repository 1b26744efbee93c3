"""A fuzzer of everything that reads what Apple, or a stranger, sent: it answers, or refuses in its own words.

usage: python -m tests.support.fuzzer SECONDS [SEED]
"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apple.answers import Answer, pack, parse_retry_after, unpack
from apple.client import read_client_config
from apple.errors import AppleError
from apple.notices import MalformedNotice, is_test, read_notice
from apple.pages import read_page
from apple.questions import Question
from apple.resources import RESOURCES, Paging
from apple.service import read_legacy_addresses, read_service_config
from apple.tokens import MalformedToken, parse_date, parse_token

#: What a reader may refuse its input with.
OURS = (AppleError, MalformedToken, MalformedNotice)

_RECORDS: dict[str, dict[str, Any]] = {
    "assets": {"adamId": "361285480", "pricingParam": "STDQ", "assignedCount": 3, "supportedPlatforms": ["iOS"]},
    "assignments": {"adamId": "361285480", "pricingParam": "STDQ", "serialNumber": "F9FX"},
    "users": {"clientUserId": "u", "email": "a@example.com", "status": "Associated"},
    "subscriptions": {"adamId": 645, "counts": {"assigned": {"renewing": 1}}, "periodEndDate": "2031-01-01"},
    "subscription-assignments": {"adamId": 645, "clientUserId": "u", "renewing": True},
    "subscription-admins": {"adamId": 645, "clientUserId": "u"},
    "licenses": {"licenseIdStr": "1", "adamId": "361", "status": "Associated"},
    "legacy-users": {"userId": 1, "clientUserIdStr": "u", "status": "Registered"},
    "legacy-assets": {"adamIdStr": "361", "pricingParam": "STDQ", "assignedCount": 1},
}

_ENVELOPE = {
    "currentPageIndex": 0,
    "nextPageIndex": 1,
    "size": 2,
    "tokenExpirationDate": "2030-11-08T22:33:22+0000",
    "totalPages": 353,
    "uId": "2049025000431439",
    "versionId": "658a45d0-5a7b",
    "mdmInfo": {"id": "1", "name": "n", "metadata": ""},
}
_BATCH = {"status": 0, "batchToken": "b", "totalBatchCount": "2", "expirationMillis": 1_700_000_000_000}

_PIECES = (
    *(
        "{",
        "}",
        "[",
        "]",
        '"',
        ":",
        ",",
        "null",
        "true",
        "1e999",
        "-1",
        "9" * 400,
        "0001-01-01T00:00:00+2359",
        "\\u0000",
    ),
    *('"new":1,', "\\ud800", "\u202e", "\x1b[2J", "[" * 5000, '{"a":' * 3000, "NaN", "Mon, 01 Jan 99999999999999", "é"),
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """One reader, and inputs that it takes."""

    name: str
    read: Callable[[bytes], object]
    samples: tuple[bytes, ...]


def _page(name: str) -> Target:
    resource = RESOURCES[name]
    question = Question(resource=resource, cursor=None if resource.paging is Paging.INDEX else "c")
    record, envelope = _RECORDS[name], _BATCH if resource.is_legacy else _ENVELOPE
    bodies = ({**envelope, resource.member: records} for records in ([record, record], [{**record, "new": [1]}], []))
    samples = tuple(json.dumps(body).encode() for body in bodies)
    return Target(name=name, read=lambda body: read_page(question, body), samples=samples)


def _answer(body: bytes, status: int = 400) -> Answer:
    return Answer(status=status, body=body, packed=b"", retry_after=None, seconds=0.0)


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda body: read(body.decode("utf-8", errors="replace"))


_CLIENT = {"uId": "1", "locationName": "x", "mdmInfo": {"id": "1"}, "tokenExpirationDate": "2030-11-08T22:33:22+0000"}
_SERVICE = {"limits": {"maxRequestPerSecond": 15}, "urls": {"getAssets": "https://vpp.itunes.apple.com/mdm/v2/assets"}}
_LEGACY = {"getLicensesSrvUrl": "https://vpp.itunes.apple.com/mdm/getVPPLicensesSrv"}
_NOTICE = {"notificationId": "1", "notificationType": "ASSET_COUNT", "uId": "1", "notification": {"a": 1}}
_TOKEN = b"eyJ0b2tlbiI6InNlY3JldCIsImV4cERhdGUiOiIyMDMwLTExLTA4VDIyOjMzOjIyKzAwMDAiLCJvcmdOYW1lIjoieCJ9"

TARGETS = (
    *map(_page, RESOURCES),
    Target(name="problem", read=lambda body: _answer(body).problem(), samples=(b'{"errorNumber":9646}', b"<html>")),
    Target(
        name="client config",
        read=lambda body: read_client_config(_answer(body)),
        samples=(json.dumps(_CLIENT).encode(),),
    ),
    Target(name="service config", read=read_service_config, samples=(json.dumps(_SERVICE).encode(),)),
    Target(name="legacy addresses", read=read_legacy_addresses, samples=(json.dumps(_LEGACY).encode(),)),
    Target(name="notice", read=read_notice, samples=(json.dumps(_NOTICE).encode(),)),
    Target(name="test notice", read=is_test, samples=(b'{"notificationType":"TEST_NOTIFICATION"}',)),
    Target(name="token", read=parse_token, samples=(_TOKEN,)),
    Target(name="date", read=_text(parse_date), samples=(b"2030-11-08T22:33:22+0000",)),
    Target(name="Retry-After", read=_text(parse_retry_after), samples=(b"120", b"Thu, 01 Jan 1970 00:01:40 GMT")),
    Target(
        name="Date", read=_text(lambda text: parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", text)), samples=(b"x",)
    ),
    Target(name="packed", read=lambda body: unpack(body, 10_000), samples=(pack(b"x" * 99),)),
)


def mutate(dice: random.Random, sample: bytes) -> bytes:
    """Spoil an input in one to four places."""
    raw = bytearray(sample)
    for _ in range(dice.randint(1, 4)):
        place, end = sorted((dice.randint(0, len(raw)), dice.randint(0, len(raw))))
        match dice.randrange(5):
            case 0:
                raw[place:place] = dice.choice(_PIECES).encode("utf-8", errors="replace")
            case 1:
                del raw[place : min(end, place + dice.randint(1, 12))]
            case 2:
                del raw[place:]
            case 3:
                raw[place : place + 1] = dice.randbytes(1)
            case _:
                raw[place:place] = raw[place:end]
    return bytes(raw)


def foreign_errors(seconds: float, seed: int) -> Iterator[tuple[str, BaseException, bytes]]:
    """Try inputs until the time is over, and return those that a reader did not answer in its own words."""
    dice, until = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < until:
        target = dice.choice(TARGETS)
        body = mutate(dice, dice.choice(target.samples))
        try:
            target.read(body)
        except OURS:
            continue
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            yield target.name, error, body


def main() -> int:
    """Fuzz for as long as one likes."""
    seconds, seed = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns()
    found = 0
    sys.stdout.write(f"Fuzzing for {seconds:g} s from seed {seed}.\n")
    for name, error, body in foreign_errors(seconds, seed):
        found += 1
        sys.stdout.write(f"{name}: {error!r} of {body[:300]!r}\n")
    sys.stdout.write(f"{found} foreign errors.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
