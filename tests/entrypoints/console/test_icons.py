"""Icons: each is fetched once, without a token, and shown from here."""

from datetime import timedelta

import pytest

from apple.icons import IconServer, icon_of
from orchestration.icons import IconKeeper
from storage.clock import VirtualClock
from storage.database import open_database
from tests.support.filled_store import make_store
from tests.support.processes import running_simulator

URL = "https://is1-ssl.mzstatic.com/image/thumb/{}/128x128bb.png"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def apple():
    """A simulated Apple, whose servers of images are in its place."""
    with running_simulator("--locations", "1", "--assets", "3", "--assignments", "0", "--users", "0") as running:
        yield running


@pytest.fixture
def clock():
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture
def keeper(tmp_path, clock, apple):
    """A keeper of icons that asks that Apple."""
    database = open_database(f"sqlite:///{tmp_path / 'test.db'}", clock)
    yield IconKeeper(make_store(database), IconServer(apple.origin))
    database.close()


def asked(apple) -> int:
    """Return how many icons Apple was asked for."""
    count: int = apple.lookups()["icons"]
    return count


def test_an_icon_is_fetched_once(keeper, apple):
    """The second look finds it here."""
    before = asked(apple)
    first = keeper.find(URL.format(361285480))
    assert first.kind == "image/png"
    assert first.body.startswith(PNG)
    assert keeper.find(URL.format(361285480)) == first
    assert asked(apple) == before + 1


def test_one_that_did_not_come_is_asked_for_again_a_day_later(keeper, apple, clock):
    """And not at each look."""
    before = asked(apple)
    for _ in range(3):
        assert keeper.find(URL.format("nothing")) is None
    assert asked(apple) == before + 1
    clock.sleep(timedelta(days=1, seconds=1).total_seconds())
    assert keeper.find(URL.format("nothing")) is None
    assert asked(apple) == before + 2


def test_servers_that_are_away_give_none():
    """Nobody waits for long, and nothing fails."""
    assert IconServer("http://127.0.0.1:9").fetch(URL.format(1)) is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PNG + b"x", "image/png"),
        (b"\xff\xd8\xff\xe0x", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPx", "image/webp"),
        (b"<svg onload='alert(1)'/>", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_only_pictures_are_shown(body, kind):
    """What a server sends is what it begins with, whatever it says; what could run is never shown."""
    icon = icon_of(body)
    assert (icon.kind if icon else None) == kind


def test_an_app_without_an_icon_has_a_tile(serve):
    """With the first letter of its name, as a picture that runs nothing."""
    answer = serve().get("/icons/361285480")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert ">3</text>" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
