"""The support bundle: what helps, and nothing that is secret or names anybody."""

import io
import json
import zipfile

import pytest

from entrypoints.bundle import write_bundle
from storage.states import Access

from .test_access import CLOSED, PASSWORD, sign_in


@pytest.fixture
def secrets(services, filled):
    """Put what must not come out into every place that a bundle is made of."""
    filled.locations.mark(filled.location.id, "wrong", "Apple says anna@example.com has not hq.", "TokenWrong")
    token = filled.api_tokens.make("inventory", Access.READ, None, None)
    log = services.settings.home / "servers.log"
    key = services.settings.keys[0]
    log.write_text(f"2026 INFO sToken {token} {key} redis://:pass@host anna@example.com 'hq'\n" * 3)
    return [token, key, "anna@example.com", ":pass@", "F9FX0000000", services.settings.database]


def opened(body: bytes) -> dict[str, str]:
    """Return the parts of a bundle."""
    with zipfile.ZipFile(io.BytesIO(body)) as bundle:
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


@pytest.mark.usefixtures("filled")
def test_it_says_how_things_stand(services):
    """Versions, settings, the doctor, lists, crawls, and the heads of a crawl's pages."""
    file = io.BytesIO()
    write_bundle(services, file, crawl=1)
    parts = opened(file.getvalue())
    about = json.loads(parts["about.json"])
    assert about["settings"]["secret_keys"] == "(set)"
    assert about["libraries"]["celery"]
    assert "ok   database" in parts["doctor.txt"]
    assert len(parts["crawls.ndjson"].splitlines()) == 3
    assert len(parts["pages.csv"].splitlines()) == 2
    assert "no log in this home" in parts["log.txt"]
    assert "look through it before you send it on" in parts["README.txt"].lower()


def test_it_has_no_secrets_and_names_nobody(services, secrets):
    """Neither tokens, keys, passwords nor addresses; and of locations only numbers."""
    file = io.BytesIO()
    write_bundle(services, file, crawl=3)  # of assignments, which name devices and people
    whole = "".join(opened(file.getvalue()).values())
    assert [one for one in secrets if one in whole] == []
    assert "'location-1'" in whole
    assert "'hq'" not in whole


def test_names_where_they_are_asked_for(services, secrets):
    """Then locations have their names; secrets stay out all the same."""
    file = io.BytesIO()
    write_bundle(services, file, is_named=True)
    whole = "".join(opened(file.getvalue()).values())
    assert "'hq'" in whole
    assert [one for one in secrets if one in whole] == []


@pytest.mark.usefixtures("filled")
def test_it_stays_small(services):
    """However long the log is."""
    (services.settings.home / "servers.log").write_bytes(bytes(range(32, 127)) * 300_000)
    file = io.BytesIO()
    write_bundle(services, file)
    assert len(file.getvalue()) < 5_000_000


def test_the_console_has_a_button(serve, filled):
    """For those who may act; it has a crawl's pages where it stands on that crawl's page."""
    door = serve()
    assert "pages.csv" in opened(door.get("/bundle.zip?crawl=1").content)
    assert 'href="/bundle.zip?crawl=1"' in door.get("/crawls/1").text
    assert door.get("/bundle.zip?crawl=99").status_code == 404
    filled.accounts.add("anna", Access.READ, PASSWORD)
    closed = serve(CLOSED)
    sign_in(closed)
    assert closed.get("/bundle.zip").status_code == 403
    assert "/bundle.zip" not in closed.get("/").text
