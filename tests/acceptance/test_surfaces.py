"""The surfaces: status, its check, the doctor, the metrics, readiness and the list say the same of the same moment."""

import json
import re
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from apple.tokens import parse_token
from orchestration.gate.board import OutageBoard
from storage.schema import chores, crawls, locations, notices, streams, syncs
from storage.states import CrawlKind, CrawlState, LocationState, Reason
from tests.support.cluster import bare_cluster
from tests.support.processes import COMMAND
from tests.support.servers import free_port, redis_server
from tests.support.site import await_true

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the database says, and what every surface has to make of it."""

    token: dict[str, Any] = field(default_factory=dict)
    stream: dict[str, Any] = field(default_factory=dict)
    outage: str | None = None
    #: The states of the location and the stream, how bad all of it is, and a part of its sentence.
    location_state: str = "valid"
    stream_state: str = "in step"
    alarm: int = 0
    words: str | None = None


def expires(**left: float) -> dict[str, Any]:
    """Have the token end soon."""
    return {"token_expires": datetime.now(UTC) + timedelta(**left) - timedelta(minutes=5)}


SITUATIONS = {
    "in step": Situation(),
    "never read": Situation(stream={"seen_at": None}, stream_state="new"),
    "late": Situation(stream={"seen_at": -1.5 * _HOUR}, stream_state="late", alarm=1, words="Last in step 90 min ago"),
    "too late": Situation(
        stream={"seen_at": -50 * _HOUR}, stream_state="failing", alarm=2, words="Last in step 2 d ago"
    ),
    "failed once": Situation(
        stream={"problem": "Apple did not answer."}, stream_state="failing", alarm=1, words="Apple did not answer."
    ),
    "deletes held": Situation(stream={"held_deletes": 7}, stream_state="held", alarm=1, words="7 deletes are held"),
    "torn once": Situation(stream={"full_wanted": Reason.TORN, "torn_fulls": 1}, stream_state="torn"),
    "torn again and again": Situation(
        stream={"full_wanted": Reason.TORN, "torn_fulls": 3}, stream_state="torn", alarm=1, words="changed too often"
    ),
    "a month left": Situation(token=expires(days=30), location_state="expiring"),
    "two weeks left": Situation(token=expires(days=14), location_state="expiring", alarm=1, words="expires in 13 days"),
    "a week left": Situation(token=expires(days=7), location_state="expiring", alarm=1, words="expires in 6 days"),
    "a day left": Situation(
        token=expires(days=1), location_state="expiring", alarm=2, words="expires in less than a day"
    ),
    "a date that has passed": Situation(
        token=expires(), location_state="expired", alarm=2, words="The token's date has passed"
    ),
    "a token revoked": Situation(
        token={"state": LocationState.REVOKED},
        location_state="revoked",
        stream_state="revoked",
        alarm=2,
        words="The token was revoked",
    ),
    "held by another": Situation(
        token={"state": LocationState.FOREIGN, "problem": "Another service: 'Other MDM' manages the location."},
        location_state="foreign",
        stream_state="foreign",
        alarm=2,
        words="'Other MDM' manages the location",
    ),
    "a server away": Situation(outage="PostgreSQL: the disk is full.", alarm=2, words="the disk is full"),
}


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """An installation with one location and one stream, nobody at work, and its metrics."""
    home = tmp_path_factory.mktemp("surfaces")
    with (
        redis_server() as redis,
        bare_cluster(home, "--locations", "1", "--assets", "2", redis=redis) as cluster,
    ):
        place = cluster.apple.locations[0]
        with cluster.database() as database:
            cluster.locations(database).add("hq", place["uid"], parse_token(place["token"].encode()), None, ["assets"])
        port = free_port()
        door = subprocess.Popen([COMMAND, "metrics", "--port", str(port)], env=cluster.env, stderr=subprocess.DEVNULL)
        try:
            await_true(lambda: get(port, "readyz"), "the metrics answer")
            yield cluster, port
        finally:
            door.terminate()
            door.wait(30)


def get(port, path):
    """Ask the metrics."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


def arrange(cluster, situation):
    """Have the database and Redis be as in a situation."""
    now = datetime.now(UTC)
    usual = {"seen_at": timedelta(0), "problem": None, "held_deletes": None, "full_wanted": None, "torn_fulls": 0}
    values = usual | {"delta_seconds": 3600} | situation.stream
    stream = {name: now + value if isinstance(value, timedelta) else value for name, value in values.items()}
    token = {"state": LocationState.VALID, "problem": None, "token_expires": now + timedelta(300)}
    with cluster.database() as database, database.write() as connection:
        connection.execute(sa.update(streams).values(stream))
        connection.execute(sa.update(locations).values({"added_at": now} | token | situation.token))
    with cluster.redis() as redis:
        redis.delete("outages")
        if situation.outage:
            OutageBoard(redis).write({"database": situation.outage})
            redis.persist("outages")  # else it ends with its last report, in the middle of a test


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
def test_all_say_the_same(services, situation):
    """The same states, the same alarm and the same sentence, whoever is asked."""
    cluster, port = services
    arrange(cluster, situation)
    alarm, words = situation.alarm, situation.words or ""
    name = ("OK", "WARNING", "CRITICAL")[alarm]

    status = json.loads(cluster.run("status", "--json").stdout)
    [location] = status["locations"]
    assert (location["state"], location["streams"][0]["state"]) == (situation.location_state, situation.stream_state)
    assert status["verdict"] == name.lower()
    assert words in " ".join(cluster.run("status").stderr.split())

    check = cluster.run("status", "--check")
    assert (check.returncode, check.stdout.split(" - ")[0]) == (alarm, f"PAGETURNER {name}")
    assert words.rstrip(".") in check.stdout
    assert json.loads(cluster.run("status", "--check", "--json").stdout)["verdict"] == name.lower()
    seconds = re.compile(r"\d+ ?s\b")  # may pass between the one and the other
    assert seconds.sub("", get(port, "readyz")) == seconds.sub("", check.stdout)

    metrics = get(port, "metrics")
    assert f"pageturner_alarm {alarm}.0" in metrics
    assert f'resource="assets",state="{situation.stream_state}"' in metrics
    assert f'state="{situation.location_state}",uid=' in metrics

    [listed] = json.loads(cluster.run("locations", "list", "--json").stdout)
    assert (listed["state"], listed["problem"]) == (location["state"], location["problem"])

    findings = json.loads(cluster.run("doctor", "--offline", "--json").stdout)
    told = [one for one in findings if one["part"] in {"streams", "tokens", "outages"}]
    assert max(("ok", "warn", "fail").index(one["mark"]) for one in told) == alarm
    assert any(words in one["words"] for one in told)


def test_a_redis_that_is_away_is_no_peace(services):
    """Where Redis does not answer, nobody can work: status, its check and the doctor all say so."""
    cluster, _ = services
    arrange(cluster, Situation())
    away = {"PAGETURNER_REDIS_URL": "redis://127.0.0.1:1/0"}
    check = cluster.run("status", "--check", **away)
    assert (check.returncode, "Redis does not answer" in check.stdout) == (2, True)
    assert "Redis does not answer" in cluster.run("status", **away).stderr
    doctor = cluster.run("doctor", "--offline", **away)
    assert (doctor.returncode, "Redis does not answer" in doctor.stdout) == (1, True)


def test_notices_that_wait_are_reported(services):
    """A notice that nobody acts on is a warning, wherever one looks."""
    cluster, port = services
    arrange(cluster, Situation())
    notice = {"uid": "1", "notification_id": "x", "type": "ASSET_COUNT", "body": "{}"}
    with cluster.database() as database, database.write() as connection:
        uid = connection.scalar(sa.select(locations.c.uid))
        connection.execute(sa.insert(notices).values(notice | {"uid": uid, "received_at": datetime.now(UTC) - _HOUR}))
    try:
        check = cluster.run("status", "--check")
        assert (check.returncode, "1 notices have been waiting since" in check.stdout) == (1, True)
        assert "pageturner_alarm 1.0" in get(port, "metrics")
        assert "1 notices have been waiting since" in cluster.run("doctor", "--offline").stdout
    finally:
        with cluster.database() as database, database.write() as connection:
            connection.execute(sa.delete(notices))


def test_only_what_somebody_reads_is_being_read(services):
    """A crawl of which nothing was heard is not `reading`, and without a scheduler and a worker nothing is promised."""
    cluster, _ = services
    arrange(cluster, Situation())
    long_ago = datetime.now(UTC) - _HOUR
    with cluster.database() as database, database.write() as connection:
        location = connection.scalar(sa.select(locations.c.id))
        sync = {"location_id": location, "state": "open", "opened_at": long_ago, "wanted": []}
        sync_id = connection.execute(sa.insert(syncs).values(sync)).inserted_primary_key[0]
        crawl = {"sync_id": sync_id, "stream_id": sa.select(streams.c.id).scalar_subquery(), "kind": CrawlKind.FULL}
        moments = {"state": CrawlState.OPEN, "opened_at": long_ago, "moved_at": long_ago}
        connection.execute(sa.insert(crawls).values(crawl | moments))

    def of_crawl() -> str:
        [location] = json.loads(cluster.run("status", "--json").stdout)["locations"]
        return str(location["streams"][0]["reading"]["state"])

    def note(table: sa.Table, **moment: datetime) -> None:
        with cluster.database() as database, database.write() as connection:
            connection.execute(sa.delete(table) if table is chores else sa.update(table).values(moment))
            if table is chores and moment:
                connection.execute(sa.insert(chores).values(name="tick", **moment))

    assert of_crawl() == "stopped"
    note(chores, at=datetime.now(UTC))
    assert of_crawl() == "waiting"
    note(crawls, moved_at=datetime.now(UTC))
    assert of_crawl() == "reading"
    with cluster.database() as database, database.write() as connection:
        connection.execute(sa.delete(crawls))
        connection.execute(sa.delete(syncs))
    note(streams, due_at=datetime.now(UTC) + _HOUR)
    assert "in 59 min" in cluster.run("status").stdout
    note(chores)
    done = cluster.run("status")
    assert "in 59 min" not in done.stdout
    assert "No scheduler runs" in done.stderr
