"""What the environment says: what is dangerous is refused, and what is mistyped is told."""

import datetime as dt
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from settings import Settings, WrongSettings, celery_url, read_settings, unknown_settings


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
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "impostor.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    listener, told = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True) as secure:
                    told.append(secure.recv(1000))
            except ssl.SSLError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], told
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_broker_that_nobody_vouches_for_is_told_nothing(impostor):
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


def test_a_mistyped_setting_is_told(monkeypatch):
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
