"""Bearers: which location the secret of a request stands for. It is checked before anything else of the request."""

import hmac
import threading
import time
from collections.abc import Callable, Sequence

from storage.errors import DatabaseAway
from storage.notice_secrets import digest_of_secret

#: What is known of the secrets is this old at most: a secret that was taken back is not good for longer.
FRESH_SECONDS = 1.0

#: A secret that is not known may be a new one: it is looked for, but not more often than this.
LOOK_SECONDS = 0.2

#: No request waits longer than this for another one that reads the database.
_LOCK_SECONDS = 5.0

#: Compared with where there is nothing to compare with, so that this takes as long.
_NOBODY = "0" * 64


class BearerCheck:
    """Knows which bearer speaks for whom, a moment ago."""

    def __init__(self, read: Callable[[], dict[str, list[str]]], service_secrets: Sequence[str]) -> None:
        self._read = read
        self._service = [digest_of_secret(secret) for secret in service_secrets]
        self._digests: dict[str, list[str]] = {}
        self._uids: dict[str, str] = {}
        self._read_at = -FRESH_SECONDS
        self._lock = threading.Lock()

    def is_stale(self, bearer: str) -> bool:
        """Return whether the secrets must be read again before this bearer is judged."""
        age = time.monotonic() - self._read_at
        digest = digest_of_secret(bearer)
        is_known = digest in self._uids or digest in self._service
        return age >= FRESH_SECONDS or (age >= LOOK_SECONDS and not is_known)

    def refresh(self) -> None:
        """Read the secrets again; those who ask for it at the same time share one reading."""
        asked_at = time.monotonic()
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            raise DatabaseAway("(its answer is waited for already)")
        try:
            if self._read_at > asked_at:
                return
            begun_at = time.monotonic()
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
        """Return whether a bearer is good for a location, or at all where none is named, and for whom it speaks.

        Only digests are compared: how long that takes tells nothing of the secrets.
        """
        digest = digest_of_secret(bearer)
        is_service = _is_among(digest, self._service)
        if uid is None:
            speaks_for = self._uids.get(digest)
            return is_service or speaks_for is not None, speaks_for
        is_own = _is_among(digest, self._digests.get(uid, []))
        return is_own or (is_service and self.knows(uid)), uid


def _is_among(digest: str, known: Sequence[str]) -> bool:
    """Compare with all, in a time that does not depend on what they are."""
    found = False
    for one in known or (_NOBODY,):
        found |= hmac.compare_digest(one, digest)
    return found
