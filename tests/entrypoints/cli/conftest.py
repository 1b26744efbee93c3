"""A terminal for every test that types a command."""

import os

import pytest

from settings import read_settings
from storage.database import open_database
from storage.sealer import Sealer
from tasks.services import secret_keys
from tests.support.filled_store import FilledStore

from .terminal import Terminal


@pytest.fixture
def terminal(tmp_path, monkeypatch, capsys):
    """An embedded home with a location named hq."""
    for name in [name for name in os.environ if name.startswith("PAGETURNER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAGETURNER_HOME", str(tmp_path))
    umask = os.umask(0o022)
    settings = read_settings()
    store = FilledStore(open_database(settings.database), Sealer(secret_keys(settings)))
    store.add()
    yield Terminal(home=tmp_path, store=store, monkeypatch=monkeypatch, capsys=capsys)
    store.database.close()
    os.umask(umask)
