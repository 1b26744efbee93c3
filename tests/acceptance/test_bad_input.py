"""What a person or Apple may get wrong: a sentence, an exit status, and nothing changed."""

import base64
import json
from typing import Any

import pytest
import sqlalchemy as sa

from storage.schema import locations, pages


def encoded(inner: object) -> str:
    """Encode what a token holds."""
    return base64.b64encode(json.dumps(inner).encode()).decode()


OTHER = {"token": "x", "expDate": "2030-11-08T22:33:22+0000", "orgName": "Example"}

TOKENS = {
    "empty": ("", 2, "it is empty"),
    "blank": (" \n", 2, "it is empty"),
    "not base64": ("<html>", 2, "not one base64 text"),
    "broken off": ("abcde", 2, "breaks off"),
    "not JSON": (base64.b64encode(b"hello there").decode(), 2, "holds no JSON"),
    "a list": (encoded([1]), 2, "another shape"),
    "no token": (encoded({"expDate": "2030-01-01T00:00:00+0000"}), 2, "token"),
    "a blank token": (encoded(OTHER | {"token": " "}), 2, "'token' is empty"),
    "no date": (encoded(OTHER | {"expDate": "soon"}), 2, "not a date"),
    "expired": (encoded(OTHER | {"expDate": "2020-01-01T00:00:00+0000"}), 5, "expired on 2020-01-01"),
    "unknown": (encoded(OTHER), 5, "Apple does not know this token"),
}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_that_is_none(cluster, kind):
    """A file that is no usable token is refused in words, and not kept."""
    text, status, words = TOKENS[kind]
    file = cluster.home / "bad.vpptoken"
    file.write_text(text)
    done = cluster.run("locations", "add", str(file), "--name", "bad")
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr
    assert len(text) < 20 or text not in done.stderr
    with cluster.database() as database, database.once() as connection:
        assert connection.execute(sa.select(locations).where(locations.c.name == "bad")).all() == []


def test_the_same_location_again(cluster):
    """A location that is kept already is refused, with the name that it has."""
    place = cluster.add()
    token = next(one["token"] for one in cluster.apple.locations if one["uid"] == place.uid)
    done = cluster.run("locations", "add", str(cluster.token_file(token)), "--name", "again")
    assert done.returncode == 1
    assert f"'{place.name}'" in done.stderr


def test_another_locations_token(cluster):
    """A token of another location cannot be rotated in."""
    place = cluster.add()
    other = next(one["token"] for one in cluster.apple.locations if one["uid"] != place.uid)
    done = cluster.run("locations", "rotate", place.name, str(cluster.token_file(other)))
    assert done.returncode == 5
    assert place.uid in done.stderr


def test_an_unknown_resource(cluster):
    """A resource that does not exist is answered with those that do."""
    done = cluster.run("export", "licences")
    assert done.returncode == 2
    assert "assignments" in done.stderr


def test_a_resource_that_nobody_watches(cluster):
    """A sync that has nothing to do is not in step."""
    place = cluster.add("assets")
    done = cluster.run("sync", place.name, "--resource", "users")
    assert done.returncode == 2
    assert "users" in done.stderr


def test_a_file_that_cannot_be_written(cluster):
    """An export to where there is no folder names the file."""
    place = cluster.add("assets")
    done = cluster.run("export", "assets", "--location", place.name, "--output", "/nowhere/assets.ndjson")
    assert done.returncode == 1
    assert "/nowhere/assets.ndjson" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_location(cluster):
    """A name that is not kept is answered with those that are."""
    done = cluster.run("sync", "nowhere")
    assert done.returncode == 2
    assert "nowhere" not in cluster.run("status").stdout


def test_apple_is_unreachable(cluster):
    """Nobody at Apple's address is a matter of trying again."""
    token = cluster.apple.locations[-1]["token"]
    done = cluster.run("locations", "add", str(cluster.token_file(token)), PAGETURNER_APPLE_URL="http://127.0.0.1:9")
    assert done.returncode == 4
    assert "http://127.0.0.1:9" in done.stderr


ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "HTML": ({"kind": "html", "status": 200}, "not JSON"),
    "truncated JSON": ({"kind": "truncated"}, "breaks off"),
    "another shape": ({"kind": "shape"}, "Expected"),
    "200 with an error": ({"kind": "error", "status": 200, "number": 9603}, "internal error"),
    "500 without a body": ({"kind": "status", "status": 500}, "status 500"),
}


@pytest.mark.timeout(400)  # a page that comes wrong is tried for a minute and a half
def test_answers_that_are_none(cluster):
    """A page that keeps coming wrong fails its crawl with its reason; everything else goes on."""
    places = {kind: cluster.add("assets", "users") for kind in ANSWERS}
    for kind, place in places.items():
        place.fail({"resource": "users", "page": 2, "times": 99, **ANSWERS[kind][0]})
    done = cluster.run("sync", *(place.name for place in places.values()))
    assert done.returncode == 3, done.stderr
    with cluster.database() as database, database.once() as connection:
        failed = connection.execute(sa.select(pages.c.reason).where(pages.c.outcome == "failed")).scalars().all()
    assert len(failed) == len(places)
    for kind, place in places.items():
        assert ANSWERS[kind][1] in place.stream("users")["problem"]
        assert any(ANSWERS[kind][1] in reason for reason in failed)
        assert place.mirror("assets") == place.truth("assets")
        assert place.mirror("users").total() == 0
        place.fail()
    assert cluster.run("sync", *(place.name for place in places.values())).returncode == 0
    for place in places.values():
        assert place.mirror("users") == place.truth("users")


def test_a_revoked_token(cluster):
    """A token that Apple revoked stops its location with what to do, and a rotated one goes on."""
    place = cluster.add("users")
    token = cluster.apple.new_token(place.uid)
    done = cluster.run("sync", place.name)
    assert done.returncode == 5, done.stderr
    assert place.status()["state"] == "revoked"
    assert "rotate" in place.status()["problem"]
    assert cluster.run("locations", "rotate", place.name, str(cluster.token_file(token))).returncode == 0
    place.sync()
    assert place.status()["state"] == "valid"


def test_somebody_elses_data(cluster):
    """Pages with another uId are never taken for this location's."""
    place = cluster.add("users")
    place.fail({"resource": "users", "page": 1, "kind": "other-location"})
    done = cluster.run("sync", place.name)
    assert done.returncode == 5
    assert "999" in done.stderr
    assert place.mirror("users").total() == 0


def test_another_owner(cluster):
    """A location that another service took over in mid-crawl stops."""
    place = cluster.add("users")
    cluster.apple.set_owner({"id": "ours", "name": "Ours", "metadata": ""}, place.uid)
    place.sync()
    place.fail({"resource": "users", "page": 1, "kind": "other-owner"})
    assert cluster.run("sync", place.name, "--full").returncode == 5
    assert place.status()["state"] == "foreign"


SETTINGS = {
    "no Redis": ({"PAGETURNER_REDIS_URL": "redis://127.0.0.1:9/0"}, 4, "Redis does not answer"),
    "a password with a slash": ({"PAGETURNER_REDIS_URL": "redis://:se/cret@h:1/0"}, 2, "PAGETURNER_REDIS_URL"),
    "an option that Redis has not": ({"PAGETURNER_REDIS_URL": "redis://h/0?foo=1"}, 2, "cannot be used: 'foo'"),
    "an option in letters": ({"PAGETURNER_REDIS_URL": "redis://h/0?socket_timeout=x"}, 2, "'socket_timeout'"),
    "no way to verify": ({"PAGETURNER_REDIS_URL": "rediss://h/0?ssl_cert_reqs=foo"}, 2, "Flag: foo"),
    "an option that PostgreSQL has not": ({"PAGETURNER_DATABASE_URL": "postgresql://u@h/d?foo=1"}, 1, 'option "foo"'),
    "a wait in letters": ({"PAGETURNER_DATABASE_URL": "postgresql://u@h/d?connect_timeout=x"}, 1, "connect_timeout"),
    "a mode that SSL has not": (
        {"PAGETURNER_DATABASE_URL": "postgresql://u@127.0.0.1:9/d?sslmode=foo"},
        1,
        'sslmode value: "foo"',
    ),
    "a port with letters": ({"PAGETURNER_DATABASE_URL": "postgresql://u:pw@h:x/db"}, 1, "PAGETURNER_DATABASE_URL"),
    "a home that is a file": ({"PAGETURNER_HOME": "/dev/null"}, 2, "/dev/null"),
    "no broker": ({"PAGETURNER_BROKER_URL": "redis://127.0.0.1:9/0"}, 4, "broker does not answer"),
    "no PostgreSQL": ({"PAGETURNER_DATABASE_URL": "postgresql://x@127.0.0.1:9/x"}, 4, "database does not answer"),
    "no key": ({"PAGETURNER_SECRET_KEYS": ""}, 2, "pageturner key"),
    "a bad key": ({"PAGETURNER_SECRET_KEYS": "short"}, 1, "pageturner key"),
    "a bad URL": ({"PAGETURNER_APPLE_URL": "vpp.itunes.apple.com"}, 2, "PAGETURNER_APPLE_URL"),
    "another database": ({"PAGETURNER_DATABASE_URL": "mysql://x/y"}, 1, "PostgreSQL or SQLite"),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_setting_that_is_wrong(cluster, kind):
    """A setting that cannot be used is named."""
    env, status, words = SETTINGS[kind]
    done = cluster.run("sync", **env)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr
    assert "cret@" not in done.stderr


def test_no_worker(cluster, redis_url):
    """Without workers a sync says so within seconds."""
    cluster.add()
    done = cluster.run("sync", PAGETURNER_REDIS_URL=redis_url)
    assert done.returncode == 4
    assert "pageturner worker" in done.stderr
