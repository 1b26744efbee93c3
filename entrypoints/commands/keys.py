"""`pageturner key`: a new key for PAGETURNER_SECRET_KEYS."""

from storage.sealing import make_key

from ..printing import give


def key() -> None:
    """Make a key that seals tokens.

    Example: export PAGETURNER_SECRET_KEYS=$(pageturner key)
    """
    give(make_key())
