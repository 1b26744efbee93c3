"""The client on the wire: against a server that does what no server should."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from apple.client import Client
from apple.errors import AppleError, BadAnswer, Moved, Overdue, ServerError, Unreachable
from apple.pages import read_page
from apple.questions import Question
from apple.resources import RESOURCES
from apple.service import may_be_asked
from apple.tokens import Token, parse_token
from tests.support.impostor import running_impostor

FIRST = Question(resource=RESOURCES["assets"])
PAGE_3 = Question(resource=RESOURCES["assets"], index=3)
TOKEN = Token(text="c2VjcmV0" * 8, expires=datetime(2099, 1, 1, tzinfo=UTC), organisation="Example")
GOOD = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"assets":[]}'


def receive(connection: socket.socket) -> bytes:
    """Receive one request with its body, however many packets those are."""
    request = connection.recv(65536)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    while length is not None and len(body) < int(length.group(1)):
        more = connection.recv(65536)
        request, body = request + more, body + more
    return request


@contextmanager
def serving(*parts: bytes, every: float = 0.0) -> Iterator[tuple[str, list[bytes]]]:
    """Serve each connection the same bytes, part by part, and keep what was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    while request := receive(connection):
                        asked.append(request)
                        for part in parts:
                            connection.sendall(part)
                            time.sleep(every)
                        if b"Content-Length: 13" not in parts[0]:
                            break
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_the_bearer_is_the_outer_text():
    """The token goes into the header to the letter, whatever ~/.netrc says."""
    with serving(GOOD) as (origin, asked):
        Client(origin).prepare_page(PAGE_3, TOKEN)()
    assert f"Authorization: Bearer {TOKEN.text}\r\n".encode() in asked[0]
    assert asked[0].startswith(b"GET /mdm/v2/assets?pageIndex=3 ")


def test_netrc_is_not_asked(tmp_path, monkeypatch):
    """A ~/.netrc does not put its own credentials on a request, with a token or without."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(GOOD) as (origin, asked):
        Client(origin).prepare_page(FIRST, TOKEN)()
        Client(origin).service_config()
    assert b"Basic" not in b"".join(asked)


def test_connections_are_kept():
    """One thread asks over one connection."""
    with serving(GOOD) as (origin, asked):
        client = Client(origin)
        for _ in range(3):
            client.prepare_page(FIRST, TOKEN)()
        assert len(asked) == 3


def test_redirects_are_not_followed():
    """A token is never sent on to where a redirect points."""
    moved = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with serving(moved) as (origin, _):
        answer = Client(origin).prepare_page(FIRST, TOKEN)()
    assert isinstance(answer.problem(), BadAnswer)


ENDLESS = {
    "headers that drip": (b"HTTP/1.1 200 OK\r\n", *[b"X-Drip: 1\r\n"] * 100),
    "a body that drips": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", *[b" "] * 100),
    "a body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", *[b" "] * 100),
    "silence": (b"", *[b""] * 100),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_hard_deadline(kind):
    """Whatever keeps coming drop by drop is cut off when its time is over."""
    with serving(*ENDLESS[kind], every=0.2) as (origin, _):
        begun = time.monotonic()
        with pytest.raises(Overdue):
            Client(origin, deadline=0.5).prepare_page(FIRST, TOKEN)()
        assert time.monotonic() - begun < 10.0


def test_a_client_lives_on():
    """After a request that was cut off, the next one is as good as any."""
    with serving(*ENDLESS["a body that drips"], every=0.05) as (origin, _):
        client = Client(origin, deadline=0.3)
        for _ in range(2):
            with pytest.raises(Overdue):
                client.prepare_page(FIRST, TOKEN)()


def test_nobody_there():
    """An address where nobody listens is named."""
    with pytest.raises(Unreachable, match="could not be reached at http"):
        Client("http://127.0.0.1:9").prepare_page(FIRST, TOKEN)()


BROKEN = {
    "closed at once": b"",
    "no HTTP": b"hello\r\n\r\n",
    "a body that breaks off": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}",
    "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_no_answer_at_all(kind):
    """What is no answer is an error of ours, and no word of it holds the token."""
    with serving(BROKEN[kind] or b"\r\n") as (origin, _), pytest.raises(AppleError) as caught:
        Client(origin).prepare_page(FIRST, TOKEN)()
    assert TOKEN.text not in str(caught.value)


def test_a_token_that_is_no_header():
    """A token with a line break never reaches an error's text."""
    bad = Token(text="c2VjcmV0\nX-Evil: 1", expires=TOKEN.expires, organisation="")
    with pytest.raises(AppleError) as caught:
        Client("http://127.0.0.1:9").prepare_page(FIRST, bad)()
    assert "c2VjcmV0" not in str(caught.value)


def test_a_legacy_token_is_in_the_body_alone():
    """The legacy service gets the token in its body, and neither in a header nor in the address."""
    question = Question(resource=RESOURCES["licenses"], index=2, cursor="b")
    with serving(GOOD) as (origin, asked):
        Client(origin).prepare_page(question, TOKEN)()
    head, _, body = b"".join(asked).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /mdm/getVPPLicensesSrv ")
    assert TOKEN.text.encode() not in head
    assert json.loads(body) == {"sToken": TOKEN.text, "batchToken": "b", "overrideIndex": 2}


def test_a_cursor_goes_back_as_it_came():
    """A cursor is text that nobody looks into, whatever characters it is made of."""
    question = Question(resource=RESOURCES["subscriptions"], index=1, cursor="a+/=&?# é")
    with serving(GOOD) as (origin, asked):
        Client(origin).prepare_page(question, TOKEN)()
    assert b"GET /mdm/v2/subscriptions?cursor=a%2B%2F%3D%26%3F%23+%C3%A9 " in asked[0]


def test_addresses_move(simulate):
    """Addresses of the service config are used where they stay on the host, and a token never goes to another."""
    apple = simulate("--latency", "0", "--assignments", "10", "--switch", "urls=moved")
    token = parse_token(apple.token.encode())
    client = Client(apple.origin)
    for urls, path in (("moved", "/mdm/v2-moved/assets"), ("elsewhere", "/mdm/v2/assets"), ("none", "/mdm/v2/assets")):
        apple.switch(urls=urls)
        apple.forget_traffic()
        client.service_config()
        assert client.prepare_page(FIRST, token)().status == 200
        assert apple.traffic()["by_path"] == {path: 1}


def test_a_request_that_is_too_late_is_not_sent(monkeypatch):
    """A name that takes longer to be found than a request may take costs its time, and nothing is sent after it."""
    look_up = socket.getaddrinfo

    def slowly(*args, **kwargs):
        time.sleep(0.6)  # a resolver that is slow: there is no event for that
        return look_up(*args, **kwargs)

    with serving(GOOD) as (origin, asked):
        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        with pytest.raises(Overdue):
            Client(origin, deadline=0.3).prepare_page(FIRST, TOKEN)()
        assert asked == []


def test_cookies_are_not_kept():
    """What is answered to one location's token is not sent along with another's."""
    given = GOOD.replace(b"\r\nContent-Type", b"\r\nSet-Cookie: session=of-one; Path=/\r\nContent-Type")
    with serving(given) as (origin, asked):
        client = Client(origin)
        for _ in range(2):
            client.prepare_page(FIRST, TOKEN)()
    assert b"Cookie" not in b"".join(asked)


def test_a_body_of_too_many_values():
    """A body that is small on the wire, and would be large in memory, is refused before it is taken apart."""
    body = b'{"users":[' + b"{}," * 200_000 + b"{}]}"
    with pytest.raises(BadAnswer, match="values"):
        read_page(Question(resource=RESOURCES["users"]), body)


def test_the_legacy_service_moves(simulate):
    """The legacy service is asked where its own config says, and never at a host that is not Apple's."""
    apple = simulate("--latency", "0", "--licenses", "10", "--legacy-users", "5")
    token = parse_token(apple.token.encode())
    client, question = Client(apple.origin), Question(resource=RESOURCES["licenses"])
    apple.switch(legacy="moved")
    assert isinstance(client.prepare_page(question, token)().problem(), Moved)
    client.find_legacy()
    assert client.prepare_page(question, token)().problem() is None
    apple.switch(legacy="elsewhere")
    client.find_legacy()
    assert isinstance(client.prepare_page(question, token)().problem(), Moved)


@pytest.mark.parametrize(
    ("url", "origin", "may"),
    [
        ("https://p25-vpp.itunes.apple.com/mdm/x", "https://vpp.itunes.apple.com", True),
        ("https://vpp.itunes.apple.com/WebObjects/MZFinance.woa/wa/x", "https://vpp.itunes.apple.com", True),
        ("http://vpp.itunes.apple.com/mdm/x", "https://vpp.itunes.apple.com", False),
        ("https://vpp.itunes.apple.com:8443/mdm/x", "https://vpp.itunes.apple.com", False),
        ("https://apple.com.example.com/mdm/x", "https://vpp.itunes.apple.com", False),
        ("https://evilapple.com/mdm/x", "https://vpp.itunes.apple.com", False),
        ("https://vpp.itunes.apple.com@example.com/mdm/x", "https://vpp.itunes.apple.com", False),
        ("https://vpp.itunes.apple.com/mdm/x", "http://127.0.0.1:8400", False),
        ("http://127.0.0.1:8400/other/x", "http://127.0.0.1:8400", True),
        ("//vpp.itunes.apple.com/mdm/x", "https://vpp.itunes.apple.com", False),
    ],
)
def test_where_a_token_may_go(url, origin, may):
    """A token goes to the host that is asked, or by HTTPS to another of Apple's own, and nowhere else."""
    assert may_be_asked(url, origin) is may


def test_a_certificate_that_nobody_trusts(tmp_path):
    """A server with a certificate of its own is not sent the token."""
    with running_impostor(tmp_path) as (port, told), pytest.raises(Unreachable, match="certificate is not trusted"):
        Client(f"https://localhost:{port}").prepare_page(FIRST, TOKEN)()
    assert told == []


def test_a_body_without_end():
    """A body that is larger than any page is refused before it fills the memory."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    with (
        serving(head, *[b" " * 1_000_000] * 6) as (origin, _),
        pytest.raises(BadAnswer, match="its body is larger than 4 MB"),
    ):
        Client(origin).prepare_page(FIRST, TOKEN)()


def test_an_origin_that_is_no_host():
    """A request that cannot even be written is an error of ours, without a word of the token."""
    with pytest.raises(BadAnswer, match="the request could not be written") as caught:
        Client("http://*.example.com").prepare_page(FIRST, TOKEN)
    assert TOKEN.text not in str(caught.value)


def test_a_config_that_is_an_error():
    """An error in the place of Apple's config, or of the legacy service's, is raised as what it means."""
    head = b"HTTP/1.1 503 Nope\r\nConnection: close\r\nContent-Length: 21\r\n\r\n"
    with serving(head + b'{"errorNumber": 9603}') as (origin, _):
        client = Client(origin)
        for call in (client.service_config, client.find_legacy):
            with pytest.raises(ServerError, match="internal error"):
                call()
