"""`pageturner key` and `reseal`: a new key for PAGETURNER_SECRET_KEYS, and putting it to use."""

from ...terminal import say, write
from ..context import with_store


def key() -> None:
    """Make a key that seals tokens.

    Example: export PAGETURNER_SECRET_KEYS=$(pageturner key)
    """
    from storage.sealer import make_key

    write(make_key())


def reseal() -> None:
    """Seal every token and secret anew with the first of PAGETURNER_SECRET_KEYS: the others are then needed no more.

    Example: pageturner reseal
    """
    with with_store() as services:
        store = services.store
        tokens, others = store.locations.reseal(), store.hooks.reseal() + store.channels.reseal()
    say(f"Sealed with the first key: {tokens} tokens, and {others} addresses and secrets of those who are told.")
    say("Restart everything before you take the other keys away.")
