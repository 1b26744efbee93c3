"""Bearers: which location the secret of a request stands for. It is checked before anything else of the request."""

import hmac
import threading
from collections.abc import Callable, Sequence

from storage.clock import SystemTimer, Timer
from storage.errors import DatabaseAway
from storage.notice_secrets import digest_of_secret

#: Secrets are read again after this: a revoked one is valid for no longer.
FRESH_SECONDS = 1.0

#: An unknown secret may be new: the secrets are read again, but not more often than this.
LOOK_SECONDS = 0.2

#: No request waits longer than this for another one that reads the database.
_LOCK_SECONDS = 5.0

#: Compared with if there is no digest, so that this takes as long.
_NOBODY = "0" * 64


class BearerCheck:
    """Judges bearers by secrets that were read a moment ago."""

    def __init__(
        self,
        read: Callable[[], dict[str, list[str]]],
        service_secrets: Sequence[str],
        timer: Timer | None = None,
    ) -> None:
        self._read = read
        self._timer = timer or SystemTimer()
        self._service = [digest_of_secret(secret) for secret in service_secrets]
        self._digests: dict[str, list[str]] = {}
        self._uids: dict[str, str] = {}
        self._read_at = -FRESH_SECONDS
        self._lock = threading.Lock()

    def is_stale(self, bearer: str) -> bool:
        """Return whether the secrets must be read again before this bearer is judged."""
        age = self._timer.monotonic() - self._read_at
        digest = digest_of_secret(bearer)
        is_known = digest in self._uids or digest in self._service
        return age >= FRESH_SECONDS or (age >= LOOK_SECONDS and not is_known)

    def refresh(self) -> None:
        """Read the secrets again; callers at the same time share one read."""
        asked_at = self._timer.monotonic()
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            raise DatabaseAway("(its answer is waited for already)")
        try:
            if self._read_at > asked_at:
                return
            begun_at = self._timer.monotonic()
            digests = self._read()
            self._digests = digests
            self._uids = {digest: uid for uid, some in digests.items() for digest in some}
            self._read_at = begun_at
        finally:
            self._lock.release()

    def knows(self, uid: str) -> bool:
        """Return whether there is a location of this uId."""
        return uid in self._digests

    def judge(self, bearer: str, uid: str | None) -> tuple[bool, str | None]:
        """Return whether a bearer is valid (for a location, if one is named), and which location it stands for.

        Only digests are compared: the time that takes reveals nothing of the secrets.
        """
        digest = digest_of_secret(bearer)
        is_service = _is_among(digest, self._service)
        if uid is None:
            speaks_for = self._uids.get(digest)
            return is_service or speaks_for is not None, speaks_for
        is_own = _is_among(digest, self._digests.get(uid, []))
        return is_own or (is_service and self.knows(uid)), uid


def _is_among(digest: str, known: Sequence[str]) -> bool:
    """Compare with every digest, in a time that does not depend on them."""
    found = False
    for one in known or (_NOBODY,):
        found |= hmac.compare_digest(one, digest)
    return found
