"""Tokens at rest: sealed with the first key, opened with any, and never shown."""

import pytest

from storage.errors import MalformedKey, SealedAway
from storage.sealer import Sealer, make_key


def test_what_is_sealed_can_be_opened():
    """What one key sealed it opens, and the sealed bytes hold nothing of the secret."""
    sealer = Sealer([make_key()])
    sealed = sealer.seal("secret")
    assert sealer.open(sealed) == "secret"
    assert b"secret" not in sealed


def test_the_same_secret_is_sealed_differently():
    """Two seals of one secret are not alike: nobody sees that two locations have one token."""
    sealer = Sealer([make_key()])
    assert sealer.seal("secret") != sealer.seal("secret")


def test_the_first_key_seals_and_all_open():
    """While keys are rotated, the new one seals, and what the old one sealed is still opened."""
    old, new = make_key(), make_key()
    sealed = Sealer([old]).seal("secret")
    both = Sealer([new, old])
    assert both.open(sealed) == "secret"
    assert Sealer([new]).open(both.seal("again")) == "again"


def test_another_key_opens_nothing():
    """A key that did not seal opens nothing; a seal that was changed is none."""
    sealed = Sealer([make_key()]).seal("secret")
    with pytest.raises(SealedAway):
        Sealer([make_key()]).open(sealed)
    with pytest.raises(SealedAway):
        Sealer([make_key()]).open(b"no seal")


def test_a_process_without_keys():
    """A process that was given no key neither seals nor opens, and says so only when it would have to."""
    sealer = Sealer([])
    for use in (lambda: sealer.seal("secret"), lambda: sealer.open(b"sealed")):
        with pytest.raises(SealedAway):
            use()


@pytest.mark.parametrize("key", ["", "short", "x" * 44, "ä" * 44])
def test_a_key_that_is_none(key):
    """A key of another form is refused, and is not part of the error."""
    with pytest.raises(MalformedKey) as caught:
        Sealer([make_key(), key])
    assert not key or key not in str(caught.value)


def test_keys_are_not_shown():
    """Neither the sealer nor what it keeps shows a key."""
    key = make_key()
    sealer = Sealer([key])
    assert key not in repr(sealer) + repr(vars(sealer))
