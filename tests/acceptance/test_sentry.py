"""Bugs are told to Sentry, Apple's troubles are not, and no secret goes along."""

import psycopg
import pytest

from tests.support.cluster import SIZE, bare_cluster
from tests.support.processes import running_workers
from tests.support.sentry import running_sink
from tests.support.servers import redis_server
from tests.support.site import await_true


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """An installation whose bugs are told to a Sentry of our own."""
    home = tmp_path_factory.mktemp("reported")
    with (
        running_sink() as sink,
        redis_server() as redis,
        bare_cluster(home, "--locations", "3", "--latency", "20", *SIZE, redis=redis) as cluster,
    ):
        cluster.env |= {"PAGETURNER_SENTRY_DSN": sink.dsn, "PAGETURNER_ENVIRONMENT": "test"}
        cluster.env |= {"PAGETURNER_LOG_FORMAT": "json", "PAGETURNER_WEBHOOK_SECRET": "a-secret-of-the-service"}
        with running_workers(cluster.env, processes_=1, log=home / "workers.log"):
            yield cluster, sink


@pytest.mark.timeout(400)  # Apple's trouble is waited for, for a minute and a half
def test_apples_trouble_is_no_bug(reported):
    """A crawl that fails because Apple answers 503 is told to nobody but its log."""
    cluster, sink = reported
    place = cluster.add("assets")
    place.fail({"resource": "assets", "kind": "status", "status": 503, "times": 50})
    assert cluster.run("sync", place.name).returncode == 4
    assert '"message": "Failed (away):' in cluster.log()
    assert sink.events() == []


def test_a_token_that_is_refused_is_no_bug(reported):
    """Nor is one that waits for a person."""
    cluster, sink = reported
    place = cluster.add("assets")
    cluster.apple.set_token("revoked", place.uid)
    assert cluster.run("sync", place.name).returncode == 5
    assert sink.events() == []


def test_a_bug_is_reported_without_secrets(reported):
    """A crawl that fails for a bug is an event, which says where, of which release, and no secret."""
    cluster, sink = reported
    place = cluster.add("users")
    with psycopg.connect(cluster.env["PAGETURNER_DATABASE_URL"]) as connection:
        connection.execute("ALTER TABLE mirror_users RENAME TO mirror_users_gone")
    assert cluster.run("sync", place.name).returncode == 1
    await_true(sink.events, "an event comes")
    event = sink.events()[0]
    assert event["environment"] == "test"
    assert event["release"].startswith("pageturner@")
    assert event["tags"]["part"] == "worker"
    assert "mirror_users" in str(event["exception"])
    assert "vars" not in str(event["exception"])
    everything = b"".join(sink.raw)
    tokens = [one["token"] for one in cluster.apple.locations]
    for secret in (*tokens, cluster.env["PAGETURNER_SECRET_KEYS"], "a-secret-of-the-service"):
        assert secret.encode() not in everything
        assert secret[:40].encode() not in everything
