"""Apple is away for a while, or wants to be left alone: that costs the while, and no more."""

import contextlib
import subprocess
import sys
import time

import pytest

from entrypoints.embedded import processes
from tests.support.cluster import bare_cluster
from tests.support.processes import bare_environment, running_workers
from tests.support.proxy import proxied
from tests.support.servers import redis_server
from tests.support.site import await_true, await_under_way

from .test_crawl import assert_in_step

#: Through within seconds, and slow enough for something to happen in the middle.
SIZE = ("--assets", "20", "--assignments", "2000", "--users", "200", "--page-size", "50", "--latency", "250")

#: How long after its end an outage may still be felt.
SOON = 30.0


@pytest.fixture
def behind(tmp_path):
    """An installation whose Apple is behind a door that can be shut."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(bare_cluster(tmp_path, *SIZE, redis=stack.enter_context(redis_server())))
        proxy, cluster.env["PAGETURNER_APPLE_URL"] = stack.enter_context(proxied(cluster.apple.origin))
        stack.enter_context(running_workers(cluster.env, processes_=1, log=tmp_path / "workers.log"))
        yield cluster, proxy


def test_apple_away_for_a_minute(behind):
    """Refused for sixty seconds, a location asks a few times, and is in step within seconds of Apple's return."""
    cluster, proxy = behind
    place = cluster.add()
    running = cluster.start("sync", place.name)
    await_under_way(place, running)
    proxy.refuse()
    time.sleep(60)  # the outage itself
    asked = place.traffic()["requests"]
    proxy.accept()
    assert_soon_well(running)
    assert_in_step(place)
    assert proxy.refused < 60
    assert asked < 60


def test_apple_answers_503_for_half_a_minute(cluster):
    """Thirty seconds of 503 without a word of how long: asked ever less often, and in step soon after the last."""
    place = cluster.add("assignments")
    place.fail({"resource": "assignments", "kind": "status", "status": 503, "times": 9_999})
    running = cluster.start("sync", place.name)
    await_true(lambda: place.traffic()["requests"] > 0, "it was asked")
    time.sleep(30)  # the outage itself
    asked = place.traffic()["requests"]
    place.fail()
    assert_soon_well(running)
    assert asked <= 30
    assert place.mirror("assignments") == place.truth("assignments")


def assert_soon_well(running):
    """A sync ends well, soon after Apple is back."""
    back = time.monotonic()
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, out + err
    assert time.monotonic() - back < SOON


def test_an_embedded_command_remembers_what_apple_wanted(simulate, tmp_path):
    """A wait that Apple named outlives the command that was told, and its server: the next one does not ask earlier."""
    apple = simulate("--latency", "5", "--assignments", "100", "--users", "10")
    env = bare_environment(tmp_path)
    env |= {"PAGETURNER_APPLE_URL": apple.origin}
    token = tmp_path / "one.vpptoken"
    token.write_text(apple.token)

    def run(*arguments):
        command = [sys.executable, "-c", "from entrypoints.cli.main import run; run()", *arguments]
        return subprocess.run(command, env=env, cwd=processes.ROOT, capture_output=True, text=True, timeout=120)

    assert run("locations", "add", str(token), "--name", "hq", "--resources", "assets").returncode == 0
    wait = {"Retry-After": "3600"}
    apple.fail({"resource": "assets", "kind": "status", "status": 429, "headers": wait, "times": 1}, uid=apple.uid)
    apple.forget_traffic()
    first = run("sync", "hq")
    assert (first.returncode, apple.traffic()["requests"]) == (4, 1), first.stderr
    again = run("sync", "hq")
    assert again.returncode == 4
    assert "Apple wants no requests for" in again.stderr
    assert apple.traffic()["requests"] == 1
