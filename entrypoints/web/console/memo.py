"""Memo: what takes long to add up is added up again only when it may have changed."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """The last result, and what it was made of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: Hashable = None
        self._made: list[T] = []

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made last, if it was of the same; else make it, once for all who wait."""
        with self._lock:
            if not self._made or self._key != key:
                self._made, self._key = [make()], key
            return self._made[0]
