"""What Apple says no with: tokens, owners, limits and waits, each with its sentence."""

import contextlib
import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery

from settings import celery_url
from tests.support.cluster import running_cluster
from tests.support.processes import running_workers

from .test_resources import assert_exact


def location(place):
    """Read what is told of a location's token."""
    status = place.status()
    return status["state"], status["problem"] or "", status["expires_within_days"]


@pytest.mark.parametrize(("days", "within"), [(40, None), (25, 30), (12, 14), (3, 7), (0.5, 1)])
def test_a_token_that_expires(cluster, days, within):
    """A token that nears its end is told, ever more urgently, with what to do."""
    place = cluster.add("assets")
    end = datetime.now(UTC) + timedelta(days=days)
    cluster.apple.set_expiry(f"{end:%Y-%m-%dT%H:%M:%S+0000}", place.uid)
    done = cluster.run("sync", place.name)
    assert done.returncode == 0
    state, words, seen = location(place)
    assert (state, seen) == ("valid" if within is None else "expiring", within)
    assert ("locations rotate" in words) is (within is not None)
    assert ("Renew it at Apple" in done.stderr) is (within is not None)


@pytest.mark.parametrize(
    ("state", "words"),
    [("expired", "has expired"), ("revoked", "was revoked"), ("wrong", "does not know this token")],
)
def test_a_token_that_is_refused(cluster, state, words):
    """A token that Apple refuses stops its location within one sync, and says why and what to do; others go on."""
    place, other = cluster.add("assets", "subscriptions"), cluster.add("assets")
    cluster.apple.set_token(state, place.uid)
    done = cluster.run("sync", place.name, other.name)
    assert done.returncode == 3, done.stderr
    told, problem, _ = location(place)
    assert told == state
    assert words in problem
    assert "locations rotate" in problem
    assert_exact(other, ["assets"])
    cluster.apple.set_token("valid", place.uid)
    place.sync()
    assert location(place)[0] == "valid"


def test_another_owner(cluster):
    """Another service that takes the location stops it, until a person accepts that."""
    place = cluster.add("assets", "subscriptions", "licenses")
    cluster.apple.set_owner({"id": "one", "name": "One", "metadata": ""}, place.uid)
    place.sync("--full")
    cluster.apple.set_owner({"id": "two", "name": "Two", "metadata": ""}, place.uid)
    assert cluster.run("sync", place.name, "--full").returncode == 5
    state, words, _ = location(place)
    assert state == "foreign"
    assert "it was 'One' (one), now it is 'Two' (two)" in words
    assert "pageturner accept" in words
    for _ in range(2):  # lists that show no owner prove nothing
        assert cluster.run("sync", place.name, "--full").returncode == 5
        assert location(place)[0] == "foreign"
    assert cluster.run("sync", place.name, "--resource", "subscriptions").returncode == 5
    assert cluster.run("accept", place.name).returncode == 0
    place.sync("--full")
    assert location(place)[0] == "valid"


def test_revoked_in_mid_crawl(cluster):
    """A token revoked in mid-crawl stops its location within one round; a new one goes on from the ledger."""
    place = cluster.add("assignments")
    with cluster.apple.slowed(0.2):
        running = cluster.start("sync", place.name)
        cluster.await_pages(12)
        token = cluster.apple.new_token(place.uid)
        asked = place.traffic()["requests"]
        _, err = running.communicate(timeout=60)
    assert running.returncode == 5
    assert "was revoked" in err
    assert place.traffic()["requests"] - asked <= 10  # those in flight, and those with a head start
    done = cluster.run("locations", "rotate", place.name, str(cluster.token_file(token)))
    assert done.returncode == 0, done.stderr
    place.sync()
    assert_exact(place, ["assignments"])
    by_page = place.traffic()["by_page"]
    assert sum(count > 1 for page, count in by_page.items()) <= 1 + 7 + 5  # page 0, and what was refused


def test_retry_after_is_kept(cluster):
    """A Retry-After stops that location alone, and holds nobody's slot."""
    place, other = cluster.add("assignments"), cluster.add("assignments")
    headers = {"Retry-After": "3"}
    place.fail({"resource": "assignments", "page": 9, "kind": "status", "status": 503, "headers": headers})
    running = cluster.start("sync", place.name)
    until = time.monotonic() + 30
    while place.traffic()["by_page"].get("assignments/9", 0) == 0:
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(1.2)  # what had a head start has left its slot
    app = Celery(broker=celery_url(cluster.env["PAGETURNER_REDIS_URL"]), set_as_current=False)
    active = app.control.inspect(timeout=1.0).active() or {}
    app.close()
    assert not [task for tasks in active.values() for task in tasks if task["args"][:1] == [place.uid]]
    other.sync()
    assert other.traffic()["longest_pause"] < 1.5
    running.communicate(timeout=60)
    assert running.returncode == 0
    assert place.traffic()["longest_pause"] >= 2.9
    assert_exact(place, ["assignments"])


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}, {"Retry-After": "-5"}, {"Retry-After": "soon"}],
    ids=["a date that is past", "less than nothing", "no number"],
)
def test_a_retry_after_that_is_over(cluster, headers):
    """A Retry-After in the past, or none that can be read, is asked again soon; on a redirect as well."""
    place = cluster.add("assets")
    place.fail({"resource": "assets", "kind": "status", "status": 302, "headers": headers | {"Location": "/elsewhere"}})
    place.sync()
    assert_exact(place, ["assets"])


def test_a_retry_after_far_away(cluster):
    """A wait of more than minutes is told instead of waited for, what was read is kept, and others are followed on."""
    place, other = cluster.add("assets"), cluster.add("assignments")
    far = {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}
    place.fail({"resource": "assets", "kind": "status", "status": 429, "headers": far})
    done = cluster.run("sync", place.name, other.name, "--json")
    assert done.returncode == 3, done.stderr
    states = {one["uid"]: (one["state"], one["problem"]) for one in json.loads(done.stdout)}
    assert states[other.uid] == ("published", None)
    assert states[place.uid][0] == "failed"
    assert "Apple wants no requests for 10080 minutes. Apple asks for fewer requests" in states[place.uid][1]
    assert_exact(other, ["assignments"])
    again = cluster.run("sync", place.name)
    assert again.returncode == 4
    assert f"{place.name}: Apple is asked again in 6 d. Apple asks for fewer requests" in cluster.run("status").stderr
    assert place.traffic()["requests"] == 1


def test_a_rate_of_fifteen(tmp_path):
    """Fifteen requests a second are allowed over all streams and processes, and never a sixteenth arrives."""
    size = ("--assets", "20", "--assignments", "800", "--users", "200", "--page-size", "20", "--rate", "15")
    with running_cluster(tmp_path, size=size, latency=20, processes=3) as cluster:
        place = cluster.add()
        place.sync()
        traffic = place.traffic()
    assert traffic["refused"] == 0
    assert 12 <= traffic["most_a_second"] <= 15


def test_a_chain_that_lost_its_worker(tmp_path):
    """A chain of two hundred steps whose worker is killed half-way goes on where it was."""
    size = ("--assets", "1", "--assignments", "0", "--users", "0", "--page-size", "2")
    with running_cluster(
        tmp_path, size=(*size, "--subscription-assignments", "400"), latency=5, processes=1
    ) as cluster:
        place = cluster.add("subscription-assignments")
        running = cluster.start("sync", place.name)
        cluster.await_pages(100)
        os.kill(cluster.workers[0].pid, signal.SIGKILL)
        asked = place.traffic()["requests"]
        with running_workers(cluster.env, processes_=1, log=tmp_path / "second.log"):
            out, err = running.communicate(timeout=120)
        assert running.returncode == 0, out + err
        assert_exact(place, ["subscription-assignments"])
        assert asked >= 100
        assert place.traffic()["requests"] <= 200 + 3
        assert place.traffic()["most_chained"] == 1


def test_steps_that_come_twice(cluster):
    """Steps that are delivered again and again, at the same time too, are never two at Apple."""
    place = cluster.add("subscription-assignments")
    app = Celery(broker=celery_url(cluster.env["PAGETURNER_REDIS_URL"]), set_as_current=False)
    with cluster.apple.slowed(1.0), contextlib.closing(app):
        running = cluster.start("sync", place.name)
        crawl = cluster.await_pages(1)
        for index in [0, 1, 2, 3] * 10:
            arguments = (place.uid, crawl.id, crawl.round, index)
            task_id = f"{crawl.id}.{crawl.round}.{index}"
            app.send_task("pageturner.follow", arguments, task_id=task_id, queue="page")
        running.communicate(timeout=60)
    assert running.returncode == 0
    assert_exact(place, ["subscription-assignments"])
    assert place.traffic()["most_chained"] == 1
