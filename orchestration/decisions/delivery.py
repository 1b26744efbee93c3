"""Delivery: what a hook is told of some changes, by which headers, and when it is tried again. Pure.

The headers and the signature follow the Standard Webhooks specification, so that their libraries check them.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from standardwebhooks.webhooks import Webhook

from storage.hooks import Hook, HookPosition
from storage.mirror.feed import Change

#: A batch that was not taken for this long is dead.
PATIENCE = timedelta(days=3)

#: The waits between tries, in seconds; the last is that of all further ones.
_WAITS = (5, 30, 120, 600, 1800, 3600, 7200)

#: Resources whose records name nobody.
_IMPERSONAL = ("assets", "legacy-assets", "subscriptions")

CHANGES = "changes"
RESTART = "restart"


def next_try(attempts: int, failing_since: datetime | None, now: datetime, asked: float | None) -> datetime | None:
    """Return when something is tried again after so many tries; None if it failed for too long.

    `asked` is the wait that the other side asked for.
    """
    if now - (failing_since or now) > PATIENCE:
        return None
    return now + timedelta(seconds=max(_WAITS[min(attempts, len(_WAITS)) - 1], asked or 0.0))


def changes_event(hook: Hook, position: HookPosition, feed: str, changes: Sequence[Change]) -> dict[str, Any]:
    """Return what a hook is told of some changes of one location, which follow on each other.

    Only a hook that asked for records is told whom they are about.
    """
    told = [_told(change, is_whole=hook.has_records or change.resource in _IMPERSONAL) for change in changes]
    data = {
        "location": position.name,
        "location_uid": position.uid,
        "after": f"{feed}:{position.seq}",
        "bookmark": f"{feed}:{changes[-1].seq}",
        "changes": told,
    }
    return {"type": CHANGES, "timestamp": changes[-1].at.isoformat(), "data": data}


def restart_event(feed: str, seq: int, now: datetime, position: HookPosition | None = None) -> dict[str, Any]:
    """Return what a hook is told that cannot go on from where it was: to take everything anew, and go on from there.

    That is of one location, or where the feed is another one, of all.
    """
    of = {} if position is None else {"location": position.name, "location_uid": position.uid}
    return {"type": RESTART, "timestamp": now.isoformat(), "data": {**of, "bookmark": f"{feed}:{seq}"}}


def _told(change: Change, *, is_whole: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "seq": change.seq,
        "at": change.at.isoformat(),
        "resource": change.resource,
        "op": change.op,
    }
    if is_whole:
        return told | {"key": change.key, "before": change.before, "after": change.after}
    app = {name: change.key[name] for name in ("adamId", "pricingParam") if name in change.key}
    return told | {"key": app}


def encode(event: Mapping[str, Any]) -> bytes:
    """Write an event as it is sent."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def headers(secret: str, event_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of a delivery: what it is, when it was sent, and that it is ours."""
    return {
        "content-type": "application/json",
        "user-agent": "pageturner",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, now.astimezone(UTC), body.decode()),
    }
