"""A console over a store that tests fill by hand."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from entrypoints.web.console.visitors import DoorPolicy
from settings import read_settings
from storage.sealer import Sealer, make_key
from tasks.services import Services, build
from tests.support.door import Door, serving
from tests.support.filled_store import FilledStore

Serve = Callable[..., Door]

#: What is open to this host.
POLICY = DoorPolicy(is_open=True)

ASSETS = [
    {"adamId": "361285480", "pricingParam": "STDQ", "productType": "App", "totalCount": 10, "assignedCount": 9}
    | {"availableCount": 1, "retiredCount": 0, "deviceAssignable": True, "revocable": True},
    {"adamId": "409203825", "pricingParam": "STDQ", "productType": "App", "totalCount": 5, "assignedCount": 5}
    | {"availableCount": 0, "retiredCount": 0, "deviceAssignable": True, "revocable": True},
]
ASSIGNMENTS = [
    *({"adamId": "361285480", "pricingParam": "STDQ", "serialNumber": f"F9FX0000000{n}"} for n in range(5)),
    {"adamId": "409203825", "pricingParam": "STDQ", "clientUserId": "anna"},
]
USERS = [{"clientUserId": "anna", "email": "anna@example.com", "status": "Associated"}]


@pytest.fixture
def services(copied_database, redis_url, tmp_path, monkeypatch) -> Iterator[Services]:
    """Return the services of a process, of an installation of its own."""
    for name in [name for name in os.environ if name.startswith("PAGETURNER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAGETURNER_HOME", str(tmp_path))
    monkeypatch.setenv("PAGETURNER_REDIS_URL", redis_url)
    monkeypatch.setenv("PAGETURNER_DATABASE_URL", copied_database)
    monkeypatch.setenv("PAGETURNER_SECRET_KEYS", make_key())
    made = build(read_settings())
    with closing(made.store.database):
        yield made


@pytest.fixture
def store(services) -> FilledStore:
    """Return the store of the installation, to be filled."""
    return FilledStore(services.store.database, Sealer(services.settings.keys))


@pytest.fixture
def filled(store: FilledStore) -> FilledStore:
    """Return a store of one location, with some assets, assignments and users that were read."""
    location = store.add()
    for resource, records in (("assets", ASSETS), ("users", USERS), ("assignments", ASSIGNMENTS)):
        store.publish(store.read(store.stream(location, resource), records))
    return store


@pytest.fixture
def serve(services, filled) -> Iterator[Serve]:
    """Serve the console of what is filled, as a policy has it: open to this host where nothing else is said."""
    del filled
    with ExitStack() as stack:
        yield lambda policy=None, trust="127.0.0.1": stack.enter_context(serving(services, policy or POLICY, trust))
