"""Apple's service config: how many requests a second it allows, and where it answers; read again every five minutes."""

import threading

from apple.client import Client
from apple.errors import AppleError
from apple.service import ServiceConfig
from storage.clock import SystemTimer, Timer

#: Apple: limits may change without notice; read them every five minutes.
REFRESH_SECONDS = 300.0

#: After a failure to read them. What was known stays in force meanwhile.
RETRY_SECONDS = 30.0


#: The rate until Apple has answered: that of its documented sample.
UNKNOWN_RATE = 15


class ServiceLimits:
    """The limits that this process read last."""

    def __init__(self, client: Client, timer: Timer | None = None) -> None:
        self._client = client
        self._timer = timer or SystemTimer()
        self._lock = threading.Lock()
        self._config: ServiceConfig | None = None
        self._refresh_at = 0.0
        #: Whether the legacy service answered that it has moved: then its new addresses are requested.
        self._asks_legacy = False

    def rate(self) -> int:
        """Return the requests a second that Apple allows a location; 0 where it names none."""
        if self._refresh_at == 0.0:
            self.keep_fresh()
        return UNKNOWN_RATE if self._config is None else self._config.requests_per_second or 0

    def notification_types(self) -> tuple[str, ...]:
        """Return the types of notices that Apple knows; empty where it names none."""
        if self._refresh_at == 0.0:
            self.keep_fresh()
        return () if self._config is None else self._config.notification_types

    def forget(self, *, is_legacy: bool = False) -> None:
        """Forget the limits, so that they are read before the next request: Apple says that they have changed."""
        self._asks_legacy |= is_legacy
        self._refresh_at = 0.0

    def keep_fresh(self) -> None:
        """Read them again if that is due."""
        is_first = self._refresh_at == 0.0  # then every caller waits: no request may be sent before the limit is known
        if self._timer.monotonic() >= self._refresh_at and self._lock.acquire(blocking=is_first):
            try:
                self._refresh()
            finally:
                self._lock.release()

    def _refresh(self) -> None:
        if self._timer.monotonic() < self._refresh_at:
            return
        try:
            self._config = self._client.service_config()
            if self._asks_legacy:
                self._client.find_legacy()
            self._refresh_at = self._timer.monotonic() + REFRESH_SECONDS
        except AppleError:
            self._refresh_at = self._timer.monotonic() + RETRY_SECONDS
