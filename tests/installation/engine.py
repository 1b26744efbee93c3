"""A Docker engine: the one that answers, else one of our own for the length of the block."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.servers import missing

_START_SECONDS = 60.0

_PROGRAMS = {"docker": "docker.io", "dockerd": "docker.io", "iptables": "iptables"}


@contextlib.contextmanager
def docker_engine() -> Iterator[bool]:
    """Have a Docker engine that answers, and say whether it is of our own."""
    if shutil.which("docker") and _answers():
        yield False
        return
    for program, package in _PROGRAMS.items():
        if not shutil.which(program):
            missing("Docker", f"no engine answers, and there is no {program} to start one (Debian's {package})")
    if os.getuid() != 0:
        pytest.skip("no Docker engine answers, and only root can start one")
    with (
        tempfile.TemporaryDirectory(prefix="pageturner-docker-") as folder,
        _own_engine(Path(folder)) as host,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("DOCKER_HOST", host)
        yield True


@contextlib.contextmanager
def _own_engine(folder: Path) -> Iterator[str]:
    """Run an engine whose images, containers and sockets are in a folder, without a bridge that would stay behind.

    Its containers share the processors with what runs beside it one by one, and not all together as one.
    """
    host = f"unix://{folder}/docker.sock"
    places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "pid"}
    options = [part for name, place in places.items() for part in (name, str(folder / place))]
    options += ["--bridge=none", "--cgroup-parent=/", "--default-ulimit", "nofile=1024:1024"]
    log = folder / "log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            ["dockerd", "--host", host, *options],
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + _START_SECONDS
        while not _answers(host):
            if child.poll() is not None or time.monotonic() > until:
                pytest.skip(f"a Docker engine does not start on this machine: {log.read_text().splitlines()[-1]}")
            time.sleep(0.2)
        yield host
    finally:
        child.terminate()
        child.wait(timeout=60)
        for mounted in (folder / "exec" / "netns").glob("*"):
            subprocess.run(["umount", "--lazy", mounted], check=False)


def _answers(host: str | None = None) -> bool:
    env = os.environ if host is None else os.environ | {"DOCKER_HOST": host}
    return subprocess.run(["docker", "version"], env=env, capture_output=True, check=False).returncode == 0
