import pytest

from storage.database import Database

from .store import Store, make_store


@pytest.fixture
def store(database: Database) -> Store:
    """A store over either database."""
    return make_store(database)
