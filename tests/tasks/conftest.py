"""What the tests of tasks run programs with."""

import os

import pytest

from storage.sealer import make_key


@pytest.fixture
def env(redis, redis_url, tmp_path):
    """The environment of a process of an installation: an emptied Redis, and a file as its database."""
    assert redis.ping()
    return {
        **os.environ,
        "PAGETURNER_HOME": str(tmp_path),
        "PAGETURNER_REDIS_URL": redis_url,
        "PAGETURNER_DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}",
        "PAGETURNER_SECRET_KEYS": make_key(),
    }
