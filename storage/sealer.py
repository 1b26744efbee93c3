"""Tokens at rest: sealed with the first key, opened with any, so that keys can be rotated."""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from .errors import MalformedKey, SealedAway

#: Opening costs as much as reading a page; a process works for far fewer locations at a time than this.
_REMEMBERED = 256


class Sealer:
    """Seals and opens secrets. Never shows a key."""

    def __init__(self, keys: list[str]) -> None:
        try:
            #: None for a process that neither stores tokens nor sends them: it needs no keys, and can open none.
            self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None
        except ValueError:
            raise MalformedKey from None
        self._open = lru_cache(maxsize=_REMEMBERED)(self._unseal)

    def seal(self, text: str) -> bytes:
        """Seal a secret."""
        return self._keys().encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Return the secret, which any of the keys may have sealed; recent ones are cached."""
        return self._open(sealed)

    def _unseal(self, sealed: bytes) -> str:
        try:
            return self._keys().decrypt(sealed).decode()
        except InvalidToken:
            raise SealedAway from None

    def _keys(self) -> MultiFernet:
        if self._fernet is None:
            raise SealedAway
        return self._fernet


def make_key() -> str:
    """Make a new key."""
    return Fernet.generate_key().decode()
