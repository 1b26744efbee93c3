"""Embedded mode: nothing but a home, and nothing left when the command has ended."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import typer
from typer.testing import CliRunner

from entrypoints.cli.main import app
from tests.support.cluster import SIZE, Cluster
from tests.support.processes import running_simulator


@pytest.fixture
def laptop(tmp_path):
    """A machine with a home and nothing else."""
    with running_simulator("--latency", "150", *SIZE) as apple:
        env = {name: value for name, value in os.environ.items() if not name.startswith("PAGETURNER_")}
        env |= {"PAGETURNER_HOME": str(tmp_path / "home"), "PAGETURNER_APPLE_URL": apple.origin}
        yield Cluster(env=env, apple=apple, home=tmp_path)


def keep(cluster, *options):
    """Keep the first location, by the command that a newcomer would use."""
    done = cluster.run("locations", "add", str(cluster.token_file(cluster.apple.token)), *options)
    assert done.returncode == 0, done.stderr


def processes_of(cluster):
    """Find what runs in a home."""
    home = cluster.env["PAGETURNER_HOME"]
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PAGETURNER_HOME") == home:
                found.append(process)
        except psutil.Error:
            continue
    return found


def await_worker_busy(cluster):
    """Wait until Apple was asked for some pages."""
    until = time.monotonic() + 60
    while cluster.apple.traffic()["requests"] < 10:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_one_command_does_it_all(laptop):
    """A sync brings its own servers and its own worker, and takes them down again; the key is nobody else's."""
    keep(laptop)
    done = laptop.run("sync")
    assert done.returncode == 0, done.stderr
    assert processes_of(laptop) == []
    home = laptop.home / "home"
    assert (home / "key").stat().st_mode & 0o777 == 0o600
    assert len(laptop.run("export", "assignments").stdout.splitlines()) == 2000
    assert laptop.apple.traffic()["most_in_flight"] == 5


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle(laptop, end):
    """Stopped or killed in mid-crawl: nothing is left running, and the next sync goes on from the ledger."""
    keep(laptop, "--resources", "assignments")
    running = laptop.start("sync")
    await_worker_busy(laptop)
    running.send_signal(end)
    _, err = running.communicate(timeout=30)
    assert running.returncode != 0
    assert "Traceback" not in err
    psutil.wait_procs(processes_of(laptop), timeout=10)
    assert processes_of(laptop) == []
    done = laptop.run("sync")
    assert done.returncode == 0, done.stderr
    assert len(laptop.run("export", "assignments").stdout.splitlines()) == 2000
    assert laptop.apple.traffic()["by_resource"]["assignments"] < 40 + 12


def test_status_and_export(laptop):
    """What is kept is told to people and to programs, and comes out as a table or as lines."""
    keep(laptop, "--resources", "assets")
    laptop.run("sync")
    status = laptop.run("status")
    assert "in step" in status.stdout
    table = laptop.run("export", "assets", "--format", "csv").stdout.splitlines()
    assert table[0].startswith("adamId,pricingParam,productType")
    assert len(table) == 21
    file = laptop.home / "assets.ndjson"
    assert laptop.run("export", "assets", "--output", str(file)).returncode == 0
    assert len(file.read_text().splitlines()) == 20


def commands(group, *path):
    """Return the path of every command there is."""
    for name, command in group.commands.items():
        yield from commands(command, *path, name) if hasattr(command, "commands") else [(*path, name)]


@pytest.mark.parametrize("path", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_help_has_examples(path):
    """Every command explains itself with an example."""
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "300"})
    assert done.exit_code == 0
    assert f"pageturner {' '.join(path)}" in done.stdout.partition("Example")[2]


@pytest.mark.parametrize("path", [[], ["locations"], ["notices"]], ids="pageturner {}".format)
def test_help_offers_what_is_ours(path):
    """No group of commands offers to change a shell's files."""
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "300"})
    assert "sync" in done.stdout or "list" in done.stdout
    assert "--install-completion" not in done.stdout


def test_a_keeper_that_died(laptop):
    """What a worker said of itself before it was killed is not believed: nobody is looked for where nobody is."""
    assert laptop.run("status").returncode == 0
    keeper = {"pid": 1, "kind": "worker", "socket": str(laptop.home / "nowhere.sock")}
    (Path(laptop.env["PAGETURNER_HOME"]) / "lock").write_text(json.dumps(keeper))
    check = laptop.run("status", "--check")
    assert "Redis" not in check.stdout
    assert "No worker" not in laptop.run("status").stderr


@pytest.fixture
def small_disk(tmp_path):
    """A disk of sixteen megabytes, in memory."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk, and not everywhere")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_is_said(small_disk, tmp_path):
    """A sync whose home is full ends by itself, with the reason, and so does the next; the doctor says so too."""
    options = ("--assignments", "60000", "--page-size", "500", "--latency", "20")
    with running_simulator(*options) as apple:
        env = {name: value for name, value in os.environ.items() if not name.startswith("PAGETURNER_")}
        env |= {"PAGETURNER_HOME": str(small_disk / "home"), "PAGETURNER_APPLE_URL": apple.origin}
        laptop = Cluster(env=env, apple=apple, home=tmp_path)
        keep(laptop)
        done = laptop.run("sync")
        assert (done.returncode, "disk is full" in done.stderr) == (4, True), done.stderr
        with contextlib.suppress(OSError):
            (small_disk / "other").write_bytes(bytes(16_000_000))
        again = laptop.run("sync")
        assert (again.returncode, "Make room" in again.stderr) == (4, True), again.stderr
        assert "Traceback" not in done.stderr + again.stderr
        doctor = laptop.run("doctor", "--offline")
        assert (doctor.returncode, "fail disk" in doctor.stdout) == (1, True)
