"""Locations as code: a plan first, all of it and nothing else, and a clear word for each mistake."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from storage.schema import locations
from tests.support.cluster import bare_cluster
from tests.support.servers import redis_server

SIZE = ("--assets", "5", "--assignments", "10", "--users", "5", "--locations", "6", "--latency", "5")


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """An installation in which nobody works: commands alone."""
    home = tmp_path_factory.mktemp("office")
    with (
        redis_server() as redis,
        bare_cluster(home, *SIZE, redis=redis) as cluster,
    ):
        for number, location in enumerate(cluster.apple.locations):
            (home / f"{number}.vpptoken").write_text(location["token"])
        yield cluster


def apply(office, text, *options):
    """Apply a file, and return what came of it."""
    file = office.home / "locations.toml"
    file.write_text(text)
    return office.run("locations", "apply", str(file), *options)


def listed(office, *options):
    """List the locations."""
    done = office.run("locations", "list", "--json", *options)
    assert done.returncode == 0, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)}


def entry(number, **more):
    """Write a location."""
    lines = [f'{name} = "{value}"' for name, value in more.items()]
    return "\n".join(["[[location]]", f'token = "{number}.vpptoken"', *lines, ""])


def test_from_a_file_to_what_is_kept(office):
    """What the file says is planned, then done; what it no longer says is left until it is to be pruned."""
    uids = [one["uid"] for one in office.apple.locations]
    text = 'delta = "1h"\nresources = ["assets", "users"]\n'
    text += entry(0, name="one") + entry(1) + entry(2, name="three", delta="5m")
    planned = apply(office, text, "--dry-run")
    assert (planned.returncode, listed(office)) == (3, {})  # there is something to do
    assert f"+ add    one ({uids[0]}): assets, users" in planned.stdout
    assert apply(office, text).returncode == 0
    assert set(listed(office)) == {"one", "Simulated School 2", "three"}
    assert "All is as the file says." in apply(office, text).stderr
    fewer = 'resources = ["assets"]\n' + entry(0, name="uno")
    assert apply(office, fewer).returncode == 0
    kept = listed(office)
    assert kept["uno"]["resources"] == ["assets"]
    assert set(kept) == {"uno", "Simulated School 2", "three"}
    most = apply(office, fewer, "--prune")
    assert (most.returncode, "2 of 3 locations" in most.stderr, len(listed(office))) == (5, True, 3)
    assert apply(office, fewer, "--prune", "--yes").returncode == 0
    assert set(listed(office)) == {"uno"}
    assert apply(office, text).returncode == 0
    assert set(listed(office)) == {"one", "Simulated School 2", "three"}


def test_intervals_are_each_streams_own(office):
    """The file's, the location's, the resource's: the nearest has its way."""
    text = 'delta = "2h"\nresources = ["assets", "users"]\n[every.users]\ndelta = "1h"\n'
    text += entry(3, name="timed", delta="30m") + '[location.every.users]\ndelta = "7s"\n'
    assert apply(office, text).returncode == 0
    status = json.loads(office.run("status", "--json").stdout)["locations"]
    streams = next(one["streams"] for one in status if one["name"] == "timed")
    assert {one["resource"]: one["every_seconds"] for one in streams} == {"assets": 1800, "users": 7}


def test_names_need_not_be_unique_at_apple(office):
    """Two locations that Apple calls the same are told apart by their uIds."""
    first, second = office.apple.locations[4:6]
    assert apply(office, entry(4, name=second["name"])).returncode == 0
    assert apply(office, entry(4, name=second["name"]) + entry(5)).returncode == 0
    assert f"{second['name']} {second['uid']}" in listed(office, second["uid"])
    assert listed(office, first["uid"])[second["name"]]["name_at_apple"] == first["name"]


def test_names_change_hands(office):
    """Two locations may swap their names, and one that is taken out gives its name up to another."""
    uids = [one["uid"] for one in office.apple.locations]
    both = entry(0, name="left") + entry(1, name="right")
    assert apply(office, both).returncode == 0
    assert apply(office, entry(0, name="right") + entry(1, name="left")).returncode == 0
    kept = listed(office)
    assert (kept["right"]["uid"], kept["left"]["uid"]) == (uids[0], uids[1])
    assert apply(office, entry(2, name="left"), "--prune", "--yes").returncode == 0
    assert {name: one["uid"] for name, one in listed(office).items()} == {"left": uids[2]}


def test_the_list_can_be_filtered(office):
    """By text, state, resource and whether notices come."""
    assert apply(office, 'resources = ["users"]\n' + entry(0, name="only-users")).returncode == 0
    assert "only-users" in listed(office, "--resource", "users", "--state", "valid", "--unsubscribed")
    assert "only-users" not in listed(office, "--resource", "assets")
    assert listed(office, "no such text") == {}
    assert office.run("locations", "list", "--state", "well").returncode == 2


MISTAKES = {
    "no TOML": ("[[location", "is not TOML"),
    "another word": (entry(0, nmae="x"), "unknown field `nmae`"),
    "no token": ("[[location]]\nname = 'x'\n", "missing required field `token`"),
    "no such file": (entry(99), "99.vpptoken cannot be read"),
    "no such resource": ('resources = ["apps"]\n' + entry(0), "no resource 'apps'"),
    "not a duration": (entry(0, delta="soon"), "'soon' is not a valid interval"),
    "too often": (entry(0, delta="1s"), "not between"),
    "a name twice": (entry(0, name="x") + entry(1, name="x"), "the name x is there twice"),
    "a token twice": (entry(0, name="x") + entry(0, name="y"), "the same location"),
    "another location's": (entry(0, uid="999"), "and not 999"),
}


@pytest.mark.parametrize(("text", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_reported_and_nothing_is_done(office, text, words):
    """Each mistake in a file is named, with its place, and nothing of the file is done."""
    before = listed(office)
    done = apply(office, text)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert listed(office) == before


def test_a_token_that_has_expired(office):
    """A token whose time is over is refused without asking Apple, with where to get another."""
    old = json.loads(base64.b64decode(office.apple.locations[2]["token"]))
    old |= {"expDate": "2020-01-01T00:00:00+0000"}
    (office.home / "old.vpptoken").write_text(base64.b64encode(json.dumps(old).encode()).decode())
    before = listed(office)
    done = apply(office, '[[location]]\ntoken = "old.vpptoken"\n')
    assert done.returncode == 5
    assert "expired on 2020-01-01: download a new one from Apple." in done.stderr
    assert listed(office) == before


def test_two_tokens_of_one_location(office):
    """A location that a file names twice, by an old token and a new one, is named with what to leave out."""
    uid = office.apple.locations[3]["uid"]
    assert apply(office, entry(3, name="mine")).returncode == 0
    (office.home / "second.vpptoken").write_text(office.apple.new_token(uid))
    done = apply(office, entry(3, name="mine") + '[[location]]\ntoken = "second.vpptoken"\nname = "yours"\n')
    assert done.returncode == 2
    assert f"'mine' and 'yours' are the same location, {uid}: one entry is enough." in done.stderr


def test_a_name_that_another_location_has(office):
    """A name that a location outside of the file has cannot be given to another, unless that one is taken out."""
    assert apply(office, entry(4, name="taken")).returncode == 0
    done = apply(office, entry(5, name="taken"))
    assert done.returncode == 2
    assert "taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_that_apple_refuses(office):
    """A token that Apple does not know is told with what to do."""
    uid = office.apple.locations[1]["uid"]
    (office.home / "newer.vpptoken").write_text(office.apple.new_token(uid))
    office.apple.set_token("wrong", uid)
    before = listed(office)
    done = apply(office, '[[location]]\ntoken = "newer.vpptoken"\n')
    assert (done.returncode, "Apple does not know this token" in done.stderr) == (5, True)
    assert listed(office) == before


def test_monitoring_has_one_line(office):
    """What was never in step is told once its limit has passed; what cannot be looked at is unknown."""
    done = office.run("status", "--check", "--max-age", "1h")
    assert (done.returncode, done.stdout[:15]) == (0, "PAGETURNER OK -")
    with office.database() as database, database.write() as connection:
        connection.execute(sa.update(locations).values(added_at=datetime.now(UTC) - timedelta(hours=2)))
    late = office.run("status", "--check", "--max-age", "1h", "--json")
    assert (late.returncode, json.loads(late.stdout)["verdict"]) == (2, "critical")
    away = office.run("status", "--check", PAGETURNER_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert (away.returncode, away.stdout[:20]) == (3, "PAGETURNER UNKNOWN -")
    assert office.run("status", "--max-age", "5s").returncode == 2
    assert office.run("status", "--check", "--max-age", "often").returncode == 2


def test_the_doctor_says_what_is_wrong(office):
    """Without workers and a scheduler it warns; with a wrong key or a wrong setting it fails, in a sentence."""
    with office.database() as database, database.write() as connection:
        connection.execute(sa.update(locations).values(added_at=datetime.now(UTC)))
    well = office.run("doctor", "--offline", "--json")
    marks = {one["part"]: one["mark"] for one in json.loads(well.stdout)}
    assert (well.returncode, marks["workers"], marks["beat"], marks["database"]) == (0, "warn", "warn", "ok")
    key = office.run("doctor", "--offline", PAGETURNER_SECRET_KEYS="A" * 43 + "=")
    assert (key.returncode, "add the old key behind the new one" in key.stdout) == (1, True)
    setting = office.run("doctor", PAGETURNER_DELTA_EVERY="often")
    assert (setting.returncode, "PAGETURNER_DELTA_EVERY" in setting.stdout) == (1, True)
    redis = office.run("doctor", "--offline", PAGETURNER_REDIS_URL="redis://127.0.0.1:1/0")
    assert (redis.returncode, "Redis does not answer" in redis.stdout, "ok   database" in redis.stdout) == (
        1,
        True,
        True,
    )
    assert "Traceback" not in key.stderr + setting.stderr + redis.stderr
