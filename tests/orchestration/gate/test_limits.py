"""Apple's service config: when it is read, and what holds while it is not known."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from apple.client import Client
from apple.local import LocalSessions
from orchestration.gate.limits import REFRESH_SECONDS, RETRY_SECONDS, UNKNOWN_RATE, ServiceLimits
from storage.clock import VirtualClock


class ConfigService:
    """Apple's service config, as a test wants it."""

    def __init__(self) -> None:
        self.config: dict[str, object] = {"limits": {"assetsRequestRate": 7}}
        self.status = 200
        self.asked: list[str] = []

    async def __call__(self, request: Request) -> Response:
        """Answer."""
        self.asked.append(request.url.path)
        return JSONResponse(self.config, self.status)


@pytest.fixture
def service() -> ConfigService:
    """A service that answers."""
    return ConfigService()


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture
def limits(service, clock) -> ServiceLimits:
    """The limits of a process that has not asked yet."""
    app = Starlette(routes=[Route("/{path:path}", service.__call__)])
    return ServiceLimits(Client("http://apple", sessions=LocalSessions(app)), clock)


def test_the_first_request_waits_for_the_rate(limits, service):
    """Before the first request of a process the rate is read; it is not read again for each."""
    for _ in range(5):
        limits.rate()
    assert len(service.asked) == 1


def test_it_is_read_again_every_five_minutes(limits, service, clock):
    """Limits may change: they are read again when they are old, and not before."""
    limits.keep_fresh()
    clock.sleep(REFRESH_SECONDS - 1)
    limits.keep_fresh()
    assert len(service.asked) == 1
    clock.sleep(1)
    limits.keep_fresh()
    assert len(service.asked) == 2


def test_an_unknown_rate_is_a_careful_one(limits, service, clock):
    """While Apple does not answer, the rate of its sample holds, and it is asked again soon."""
    service.status = 503
    assert limits.rate() == UNKNOWN_RATE
    assert limits.notification_types() == ()
    service.status = 200
    clock.sleep(RETRY_SECONDS)
    limits.keep_fresh()
    assert len(service.asked) == 2


def test_what_was_known_stays_in_force(limits, service, clock):
    """If a later read fails, the limits of before are kept."""
    service.config = {"notificationTypes": ["ASSET_COUNT"]}
    assert limits.notification_types() == ("ASSET_COUNT",)
    service.status = 503
    clock.sleep(REFRESH_SECONDS)
    limits.keep_fresh()
    assert limits.notification_types() == ("ASSET_COUNT",)


def test_no_rate_is_no_limit(limits, service):
    """A config that names no rate limits nothing."""
    service.config = {}
    assert limits.rate() == 0


def test_a_moved_service_is_asked_where_to(limits, service):
    """After an answer that says that the legacy service has moved, its own config is read as well."""
    limits.rate()
    limits.forget(is_legacy=True)
    limits.keep_fresh()
    assert len(service.asked) == 3
    assert len(set(service.asked)) == 2
