"""Icons: each is fetched once, when somebody first looks at it, and then kept."""

import threading
from datetime import timedelta

from apple.icons import Icon, IconServer, icon_of
from storage.store import Store

#: An icon changes with its address; one that did not come is asked for again after this.
_AGAIN = timedelta(days=1)

#: So many are fetched side by side; whoever comes meanwhile goes without.
_AT_ONCE = 4


class IconKeeper:
    """Finds the icons of apps and books."""

    def __init__(self, store: Store, server: IconServer) -> None:
        self._store = store
        self._server = server
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def find(self, url: str) -> Icon | None:
        """Return the icon of an address; None if there is none, or not now."""
        kept = self._store.icons.find(url)
        if kept is not None and (kept.body is not None or self._store.now() - kept.as_of < _AGAIN):
            return None if kept.body is None else icon_of(kept.body)
        if not self._turns.acquire(blocking=False):
            return None
        try:
            icon = self._server.fetch(url)
            self._store.icons.put(url, None if icon is None else icon.body)
        finally:
            self._turns.release()
        return icon
