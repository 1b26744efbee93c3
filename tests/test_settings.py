"""What the environment says: what is dangerous is refused, and what is mistyped is told."""

import datetime as dt

import pytest
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from settings import Settings, WrongSettings, celery_url, read_settings, unknown_settings
from tests.support.impostor import running_impostor


@pytest.mark.parametrize(
    ("url", "spelt"),
    [
        ("rediss://h/0", "rediss://h/0?ssl_cert_reqs=required"),
        ("rediss://h/0?db=1", "rediss://h/0?db=1&ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h/0?ssl_cert_reqs=none"),
        ("redis://h/0", "redis://h/0"),
        ("unix:///tmp/s?db=3", "redis+socket:///tmp/s?virtual_host=3"),
    ],
)
def test_in_celerys_words(url, spelt):
    """An encrypted connection verifies whom it speaks to, unless the URL itself says that it need not."""
    assert celery_url(url) == spelt


@pytest.fixture
def impostor(tmp_path):
    """A server with a certificate that nobody trusts, and what it was told."""
    with running_impostor(tmp_path) as server:
        yield server


def test_a_broker_that_nobody_vouches_for_is_sent_nothing(impostor):
    """Whoever stands between this and its broker with a certificate of his own hears no password."""
    port, told = impostor
    url = celery_url(f"rediss://user:password@localhost:{port}/0")
    with pytest.raises(OperationalError, match="certificate verify failed"):
        Connection(url).ensure_connection(max_retries=1, timeout=5)
    assert told == []


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://vpp.itunes.apple.com", True),
        ("http://127.0.0.1:8400", True),
        ("http://localhost:8400", True),
        ("http://[::1]:8400", True),
        ("http://simulator:8090", True),
        ("http://vpp.itunes.apple.com", False),
        ("http://192.0.2.1", False),
    ],
)
def test_tokens_are_not_sent_in_clear(url, is_taken, monkeypatch):
    """Unencrypted, a token goes to this host or a neighbour alone."""
    monkeypatch.setenv("PAGETURNER_APPLE_URL", url)
    if is_taken:
        assert read_settings().apple_url == url
    else:
        with pytest.raises(WrongSettings, match="https://"):
            read_settings()


def test_a_mistyped_setting_is_reported(monkeypatch):
    """A variable that nobody reads is named, with the one that was meant."""
    monkeypatch.setenv("PAGETURNER_DELTAEVERY", "3m")
    [words] = unknown_settings()
    assert "PAGETURNER_DELTAEVERY" in words
    assert "PAGETURNER_DELTA_EVERY" in words


def test_how_long_changes_are_kept(monkeypatch):
    """The feed is kept for ever unless somebody says otherwise, in words that can be read."""
    assert Settings().changes_kept_for is None
    monkeypatch.setenv("PAGETURNER_CHANGES_KEPT", "90d")
    assert read_settings().changes_kept_for == dt.timedelta(days=90)
    monkeypatch.setenv("PAGETURNER_CHANGES_KEPT", "long")
    with pytest.raises(WrongSettings, match="PAGETURNER_CHANGES_KEPT"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("APPLE_URL", "ftp://x", "must begin with https://"),
        ("APPLE_URL", "https://", "names no host"),
        ("APPLE_URL", "http://[", "not encrypted|names no host|must begin"),
        ("REDIS_URL", "http://x", "must begin with redis://"),
        ("REDIS_URL", "redis://:a/b#c@x:6379/0", "is not a URL"),
        ("BROKER_URL", "redis://x", "PAGETURNER_REDIS_URL must be too"),
        ("SENTRY_DSN", "https://sentry.io", "is not a DSN"),
        ("WEBHOOK_SECRET", "short", "at least 16 characters"),
        ("DELTA_EVERY", "apps=15m", "PAGETURNER_DELTA_EVERY names apps"),
        ("DELTA_EVERY", "5x", "'5x' is not a valid interval"),
    ],
)
def test_a_wrong_setting_is_named(name, value, words, monkeypatch):
    """Each wrong value is refused by one sentence, which names its variable and never quotes a secret."""
    monkeypatch.setenv(f"PAGETURNER_{name}", value)
    with pytest.raises(WrongSettings, match=words) as caught:
        read_settings()
    assert f"PAGETURNER_{name}" in str(caught.value)
    assert "a/b#c" not in str(caught.value)


def test_a_home_that_is_a_file(tmp_path, monkeypatch):
    """A home that is no folder is refused by its name."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("PAGETURNER_HOME", str(file))
    with pytest.raises(WrongSettings, match="PAGETURNER_HOME is not a folder"):
        read_settings()
