"""The notifier: sends notices of changes to a subscriber, at best effort: some twice, some never."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

#: The type of notice for a change of each list; the others have none.
TYPES = {
    "assets": "ASSET_COUNT",
    "assignments": "ASSET_MANAGEMENT",
    "users": "USER_MANAGEMENT",
    "subscriptions": "SUBSCRIPTION_COUNT",
    "subscription-assignments": "SUBSCRIPTION_MANAGEMENT",
}

#: All types that a client may subscribe to; two of them are never sent here.
EVERY_TYPE = (*TYPES.values(), "USER_ASSOCIATED", "UNLIMITED_ASSET")

_TEST = "TEST_NOTIFICATION"
_ATTEMPTS = 3
_AGAIN_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0
_LENGTH_LIMIT = 512

#: Deliveries run in parallel, and nothing waits for them.
_pool = ThreadPoolExecutor(16, thread_name_prefix="notices")


class RefusedConfig(Exception):
    """A subscription that Apple refuses, with the error number."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(words)
        self.number = number


@dataclass(kw_only=True)
class NoticeTarget:
    """Where a location's notices go, and how each was answered."""

    uid: str
    url: str | None = None
    secret: str | None = None
    types: list[str] = field(default_factory=list)
    #: Every delivery: its notice's id and type, and how each attempt was answered; 0 where it was not.
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def configure(self, wanted: dict[str, Any]) -> None:
        """Store the settings of a client once a test notice was answered; blocks until then."""
        url, secret = wanted.get("notificationUrl"), wanted.get("notificationAuthToken")
        if (url is None) != (secret is None):
            raise RefusedConfig(9710, "Both the notification URL and its token are needed")
        if url is not None and secret is not None:
            _check(url, secret)
            if self._post(url, secret, self._notice(_TEST, {}))[-1] not in range(200, 300):
                raise RefusedConfig(9728, "The notification URL cannot be reached")
            self.url, self.secret = url, secret
        if "notificationTypes" in wanted:
            self.types = list(wanted["notificationTypes"])

    def notify(self, resource: str, change: dict[str, Any], times: int) -> None:
        """Send a notice of a change `times` times, if the location subscribed to it."""
        type_ = TYPES.get(resource, "")
        if self.url is None or self.secret is None or type_ not in self.types:
            return
        notice = self._notice(type_, {"eventId": str(uuid.uuid4()), "result": "SUCCESS", **change})
        for _ in range(times):
            _pool.submit(self._deliver, self.url, self.secret, notice)

    def described(self) -> dict[str, Any]:
        """Return the subscription as `client/config` has it, with the secret, as Apple does."""
        if self.url is None:
            return {}
        return {
            "notificationUrl": self.url,
            "notificationAuthToken": self.secret,
            "subscribedNotificationTypes": self.types,
        }

    def _deliver(self, url: str, secret: str, notice: dict[str, Any]) -> None:
        self._post(url, secret, notice, attempts=_ATTEMPTS)

    def _post(self, url: str, secret: str, notice: dict[str, Any], attempts: int = 1) -> list[int]:
        statuses: list[int] = []
        delivery = {"id": notice["notificationId"], "type": notice["notificationType"], "statuses": statuses}
        self.deliveries.append(delivery)
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        request = Request(url, json.dumps(notice).encode(), headers, method="POST")  # noqa: S310 - checked before
        while True:
            statuses.append(_status(request))
            if statuses[-1] in range(200, 300) or len(statuses) >= attempts:
                return statuses
            self._stopping.wait(_AGAIN_SECONDS)

    def _notice(self, type_: str, body: dict[str, Any]) -> dict[str, Any]:
        envelope = {"notificationId": str(uuid.uuid4()), "notificationType": type_, "uId": self.uid}
        return {"notification": body, **envelope}


def _check(url: str, secret: str) -> None:
    if max(len(url), len(secret)) > _LENGTH_LIMIT:
        raise RefusedConfig(9711, "The notification URL or its token is too long")
    split = urlsplit(url)
    is_here = split.scheme == "http" and split.hostname in {"127.0.0.1", "localhost", "::1"}
    if not is_here and not (split.scheme == "https" and split.hostname):
        raise RefusedConfig(9712, "The notification URL is not valid")


def _status(request: Request) -> int:
    try:
        with urlopen(request, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310 - checked before
            return int(answer.status)
    except HTTPError as error:
        return int(error.code)
    except (URLError, OSError):
        return 0
