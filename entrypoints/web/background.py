"""Services that are built in the background, so that a server listens at once and answers 503 until they are there."""

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from storage.errors import DatabaseAway

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How often a build that failed is tried again.
_AGAIN_SECONDS = 2.0


class BackgroundBuild(Generic[T]):
    """Builds something in the background, and tries again until that succeeds."""

    def __init__(self, build: Callable[[], T]) -> None:
        self._build = build
        self._built: T | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._open, name="opening", daemon=True)

    def start(self) -> None:
        """Begin; if the first build succeeds at once, its result is there when this returns."""
        if not self._try():
            self._thread.start()

    def stop(self) -> None:
        """Stop trying."""
        self._stopping.set()

    @property
    def built(self) -> T | None:
        """What was built; None until then."""
        return self._built

    def _open(self) -> None:
        told = ""
        while not self._stopping.wait(_AGAIN_SECONDS):
            try:
                is_built = self._try()
            except Exception as error:  # the outermost handler of this thread: without it nobody would try again
                if str(error) != told:
                    told = str(error)
                    log.exception("What this server needs cannot be opened, and is tried again.")
                continue
            if is_built:
                log.warning("The database answers: serving from now on.")
                return

    def _try(self) -> bool:
        try:
            self._built = self._build()
        except DatabaseAway as error:
            if not self._thread.is_alive():
                log.warning("%s Waiting for it.", error)
            return False
        return True
