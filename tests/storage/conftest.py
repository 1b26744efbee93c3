import pytest

from storage.database import Database
from tests.support.filled_store import FilledStore, make_store


@pytest.fixture
def store(database: Database) -> FilledStore:
    """A store over either database."""
    return make_store(database)
