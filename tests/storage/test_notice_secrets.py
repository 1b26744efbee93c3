"""Which secrets are valid for the notices of a location: those made for it, and the one that Apple has confirmed."""

import pytest

from storage.notice_secrets import NoticeSecrets, digest_of_secret
from tests.support.filled_store import make_store

URL = "https://mdm.example.com/notices"


@pytest.fixture
def secrets(database) -> NoticeSecrets:
    """The secrets of two locations, which have none."""
    store = make_store(database)
    store.add("hq", "1")
    store.add("berlin", "2")
    return store.notice_secrets


def valid(secrets: NoticeSecrets, uid: str, *texts: str) -> bool:
    """Return whether exactly these secrets are valid for a location."""
    return set(secrets.digests()[uid]) == {digest_of_secret(text) for text in texts}


def test_a_location_begins_without_any(secrets):
    """A watched location without a secret is known, and no bearer is valid for it."""
    assert secrets.digests() == {"1": [], "2": []}
    assert secrets.url("1") is None


def test_a_proposal_is_valid_beside_the_confirmed_one(secrets):
    """While Apple tries a new secret out, the old one goes on; once it is confirmed, only the new one is valid."""
    old = secrets.propose("1")
    secrets.settle("1", old, URL)
    new = secrets.propose("1")
    assert valid(secrets, "1", old, new)
    secrets.settle("1", new, URL)
    assert valid(secrets, "1", new)
    assert valid(secrets, "2")
    assert secrets.url("1") == URL


def test_a_refused_proposal_is_withdrawn(secrets):
    """A secret that Apple refused is valid no more; the confirmed one stays."""
    old = secrets.propose("1")
    secrets.settle("1", old, URL)
    new = secrets.propose("1")
    secrets.withdraw("1", new)
    assert valid(secrets, "1", old)
    secrets.withdraw("1", "unknown")
    assert valid(secrets, "1", old)


def test_proposals_are_bounded(secrets):
    """If Apple never answers, only the last few secrets are valid: they do not pile up."""
    made = [secrets.propose("1") for _ in range(5)]
    assert valid(secrets, "1", *made[-3:])


def test_all_are_forgotten(secrets):
    """The end of a subscription revokes everything."""
    secrets.settle("1", secrets.propose("1"), URL)
    secrets.propose("1")
    secrets.forget("1")
    assert valid(secrets, "1")
    assert secrets.url("1") is None


def test_secrets_cannot_be_guessed_or_read(secrets, database):
    """Each secret is long and another, and the database holds none of them."""
    made = {secrets.propose("1") for _ in range(20)}
    assert len(made) == 20
    assert min(map(len, made)) >= 40
    with database.read() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM locations").all())
    assert not [secret for secret in made if secret in stored]
