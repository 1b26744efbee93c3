"""Apple's notices: what one says, and which resources it wants read again.

A notice carries no version and no time, comes at best effort, and may come twice. So it is never applied: it says where
to look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from .resources import USUAL

#: Sent while a subscription is set up, to test the receiver.
TEST = "TEST_NOTIFICATION"

_ASSIGNED = ("assets", "assignments", "licenses")
_USERS = ("users", "legacy-users")

#: Which resources a notice is about. A retired user loses his assignments, so these go with users.
WANTED: Mapping[str, tuple[str, ...]] = {
    TEST: (),
    "ASSET_COUNT": ("assets",),
    "ASSET_MANAGEMENT": _ASSIGNED,
    "UNLIMITED_ASSET": _ASSIGNED,
    "USER_MANAGEMENT": (*_USERS, *_ASSIGNED, "subscription-assignments"),
    "USER_ASSOCIATED": _USERS,
    "SUBSCRIPTION_COUNT": ("subscriptions",),
    "SUBSCRIPTION_MANAGEMENT": ("subscriptions", "subscription-assignments"),
}

#: What a subscription asks for, where Apple names no types of its own.
TYPES = tuple(name for name in WANTED if name != TEST)

#: No name of Apple's is nearly this long.
_NAME_LIMIT = 255


class MalformedNotice(ValueError):
    """A body that is no notice; the message says why, for a log."""


class _Notice(msgspec.Struct, rename="camel"):
    notification_id: str
    notification_type: str
    u_id: str
    notification: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


class _Test(msgspec.Struct, rename="camel"):
    notification_type: str


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One notification of Apple's."""

    uid: str
    id: str
    type: str
    #: The body as JSON: it names people, and nothing of it is needed to keep in step.
    body: str = field(default="{}", repr=False)


def read_notice(body: bytes) -> Notice:
    """Read the body of a notification."""
    try:
        raw: Any = msgspec.json.decode(body, type=_Notice)
        said = bytes(raw.notification).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedNotice("it is not a notification in JSON") from None
    names = {"uId": raw.u_id, "notificationId": raw.notification_id, "notificationType": raw.notification_type}
    for name, text in names.items():
        if not 0 < len(text) <= _NAME_LIMIT or not text.isprintable():
            raise MalformedNotice(f"its {name} is no name")
    return Notice(uid=raw.u_id, id=raw.notification_id, type=raw.notification_type, body=said)


def wanted_by(type_: str) -> tuple[str, ...]:
    """Return the resources to crawl after a notice: all but the legacy ones if its type is not known."""
    return WANTED.get(type_, USUAL)


def is_test(body: bytes) -> bool:
    """Return whether a body is a test notice: nothing else of these is documented."""
    try:
        return bool(msgspec.json.decode(body, type=_Test).notification_type == TEST)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
