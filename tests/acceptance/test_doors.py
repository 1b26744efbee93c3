"""The doors: they listen before what stands behind them is there, and nobody keeps them by saying nothing."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from functools import partial

import pytest

from storage.sealer import make_key
from tests.support.cluster import bare_cluster
from tests.support.notifier import make_notice, send
from tests.support.processes import COMMAND, bare_environment
from tests.support.servers import free_port, make_database, redis_server
from tests.support.site import await_true


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    """A receiver and metrics that were started before their database was made."""
    home = tmp_path_factory.mktemp("early")
    with redis_server() as redis, bare_cluster(home, "--locations", "1", "--assets", "2", redis=redis) as cluster:
        server = cluster.env["PAGETURNER_DATABASE_URL"].rsplit("/", 1)[0]
        env = cluster.env | {"PAGETURNER_DATABASE_URL": f"{server}/later", "PAGETURNER_SECRET_KEYS": make_key()}
        env |= {"PAGETURNER_WEBHOOK_SECRET": "a-secret-of-the-service"}
        ports = {name: free_port() for name in ("webhook", "metrics")}
        with (home / "doors.log").open("wb") as log:
            doors = [
                subprocess.Popen([COMMAND, name, "--port", str(port)], env=env, stdout=log, stderr=log)
                for name, port in ports.items()
            ]
        try:
            for port in ports.values():
                await_true(partial(answers, port, "healthz"), "the doors listen")
            yield ports, f"{server}/postgres"
        finally:
            for door in doors:
                door.terminate()
                door.wait(30)


def get(port, path):
    """Ask a door; 0 where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def answers(port, path):
    """Look whether a door answers with success."""
    return get(port, path)[0] == 200


def test_doors_wait_for_the_database(early):
    """Without it they answer 503 and say so; once it is there they open by themselves."""
    ports, server = early
    url = f"http://127.0.0.1:{ports['webhook']}/notices"
    assert get(ports["webhook"], "readyz")[0] == get(ports["metrics"], "readyz")[0] == 503
    assert 'pageturner_up{part="database"} 0.0' in get(ports["metrics"], "metrics")[1]
    assert send(url, make_notice("1"), "a-secret-of-the-service").status == 503
    make_database(server, "later")
    for port in ports.values():
        await_true(partial(answers, port, "readyz"), "the doors open")
    assert send(url, make_notice("1"), "a-secret-of-the-service").status == 200
    assert send(url, make_notice("1"), "another-secret-of-somebody").status == 401
    assert 'pageturner_up{part="database"} 1.0' in get(ports["metrics"], "metrics")[1]


def test_nobody_keeps_a_connection_by_saying_nothing(early):
    """A connection whose request does not come, or breaks off in its head, is closed."""
    ports, _ = early
    with (
        socket.create_connection(("127.0.0.1", ports["webhook"])) as silent,
        socket.create_connection(("127.0.0.1", ports["webhook"])) as slow,
    ):
        slow.sendall(b"POST /notices HTTP/1.1\r\nHost: x\r\n")
        begun = time.monotonic()
        for one in (silent, slow):
            one.settimeout(30)
            assert one.recv(1) == b""
        assert time.monotonic() - begun < 25


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("webhook", "--trust", "nobody"), "'nobody' is neither an address"),
        (("webhook", "--host", "192.0.2.1"), "Cannot listen at 192.0.2.1"),
        (("simulate", "--host", "192.0.2.1"), "Cannot listen at 192.0.2.1"),
        (("worker", "--log-level", "loud"), "loud"),
        (("notices", "subscribe", "hq", "--url", "ftp://x"), "This is none: ftp://x"),
        (("notices", "subscribe", "hq", "--url", "https://x", "--type", "NEWS"), "no type NEWS"),
        (("notices", "replay"), "Which notices?"),
        (("notices", "replay", "--since", "ever"), "'ever' is not a valid interval"),
    ],
)
def test_mistakes_are_reported(arguments, words, tmp_path):
    """A wrong argument is told in a sentence that names it."""
    env = bare_environment(tmp_path)
    done = subprocess.run([COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
