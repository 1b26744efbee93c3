"""A client that a tool made of the OpenAPI document reads the feed, whatever happens to it."""

import os
import random
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from entrypoints.embedded import processes
from entrypoints.web.console.visitors import DoorPolicy
from storage.states import Access
from tests.support.servers import missing

READER = processes.ROOT / "tests" / "support" / "feed_reader.py"
TOOLS = processes.ROOT / ".venv" / "client" / "bin"

_SECONDS = 60


@pytest.fixture
def client(serve, tmp_path: Path) -> Path:
    """Make a client of the document that a console serves, without a warning."""
    if not (TOOLS / "openapi-python-client").exists():
        missing("openapi-python-client", "`make test` installs it, into an environment of its own")
    document = tmp_path / "openapi.json"
    document.write_bytes(serve().api("openapi.json").content)
    made = tmp_path / "client"
    generate = [TOOLS / "openapi-python-client", "generate", "--path", document, "--output-path", made]
    path = f"{TOOLS}:{os.environ['PATH']}"
    done = subprocess.run(generate, capture_output=True, text=True, timeout=_SECONDS, env=os.environ | {"PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return made


def read(path: Path) -> list[int]:
    """Return what a reader has kept so far, in its order."""
    try:
        with sqlite3.connect(path, timeout=30) as kept:
            return [seq for (seq,) in kept.execute("SELECT seq FROM seen ORDER BY rowid")]
    except sqlite3.OperationalError:  # it has not begun
        return []


def test_a_generated_client_reads_each_change_once(serve, filled, client, tmp_path):
    """Killed again and again while changes are committed, it has each of them, once, in their order."""
    token = filled.api_tokens.make("reader", Access.READ, None, None)
    door = serve(DoorPolicy(is_open=False))
    stream = filled.stream(filled.location, "users")
    kept, env = tmp_path / "kept.db", os.environ | {"PYTHONPATH": str(client), "NO_PROXY": "127.0.0.1"}
    chance, last = random.Random(7), 9
    for number in range(12):
        users = [{"clientUserId": f"user-{number}-{one}"} for one in range(5)]
        filled.publish(filled.read(stream, users, version=f"v{number + 2}"))
        last = filled.feed.extent().last
        aim = min(last, len(read(kept)) + chance.randrange(1, 8))
        reader = start(door, token, kept, "never", env)
        await_count(kept, aim)
        reader.kill()
        reader.wait(_SECONDS)
    end = door.api("changes/position", token).json()["bookmark"]
    assert start(door, token, kept, end, env).wait(_SECONDS) == 0
    assert read(kept) == list(range(1, last + 1))


def start(door, token: str, kept: Path, end: str, env: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start the reader."""
    return subprocess.Popen([TOOLS / "python", READER, door.origin, token, kept, end], env=env)


def await_count(kept: Path, count: int) -> None:
    """Wait until so many changes are kept."""
    until = time.monotonic() + _SECONDS
    while len(read(kept)) < count:
        assert time.monotonic() < until, f"only {len(read(kept))} of {count} changes were read"
        time.sleep(0.01)
