"""Apple's limits: how many requests a second it allows, read again every five minutes, as Apple asks."""

import threading
import time

from apple.client import Client, Limits
from apple.errors import AppleError

#: Apple: limits may change without notice; read them every five minutes.
REFRESH_SECONDS = 300.0

#: After a failure to read them. What was known stays in force meanwhile.
RETRY_SECONDS = 30.0


class Limiting:
    """The limits as this process knows them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._limits = Limits()
        self._refresh_at = 0.0

    def rate(self) -> int:
        """Give the requests a second that Apple allows a location; 0 where it names none."""
        if self._refresh_at == 0.0:
            self.keep_fresh()
        return self._limits.requests_per_second or 0

    def keep_fresh(self) -> None:
        """Read the limits again where it is time to."""
        is_first = self._refresh_at == 0.0  # then everybody waits: nothing may go out before the limit is known
        if time.monotonic() >= self._refresh_at and self._lock.acquire(blocking=is_first):
            try:
                self._refresh()
            finally:
                self._lock.release()

    def _refresh(self) -> None:
        if time.monotonic() < self._refresh_at:
            return
        try:
            self._limits = self._client.limits()
            self._refresh_at = time.monotonic() + REFRESH_SECONDS
        except AppleError:
            self._refresh_at = time.monotonic() + RETRY_SECONDS
