"""The API: what programs may read, page by page, and how they follow the feed."""

import threading
from typing import Any

import pytest
import requests

from entrypoints.web.api import changes
from entrypoints.web.console.live import FeedWatch
from entrypoints.web.console.visitors import DoorPolicy
from storage.errors import DatabaseAway
from storage.states import Access
from tests.support.cluster import canonical

from .conftest import ASSETS, ASSIGNMENTS

CLOSED = DoorPolicy(is_open=False)


@pytest.fixture
def other(filled):
    """A second location, with an asset of its own."""
    location = filled.add("lab", "2")
    records = [ASSETS[0] | {"adamId": "7", "totalCount": 3, "assignedCount": 1, "availableCount": 2}]
    filled.publish(filled.read(filled.stream(location, "assets"), records))
    return location


@pytest.fixture
def door(serve):
    """A console that asks for tokens."""
    return serve(CLOSED)


def whole(door, path: str, token: str, **asked) -> list[dict[str, Any]]:
    """Read a list to its end, one row at a time."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        answer = door.api(path, token, params=asked | {"limit": 1} | ({"after": after} if after else {}))
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        after = answer.json()["next"]
        if after is None:
            return found


@pytest.mark.usefixtures("other")
def test_every_list_is_paged(door, filled):
    """Page by page one has each row once, in the order of what identifies it."""
    token = filled.api_tokens.make("inventory", Access.READ, None, None)
    assert [one["uid"] for one in whole(door, "locations", token)] == ["1", "2"]
    streams = [(one["uid"], one["resource"]) for one in whole(door, "streams", token)]
    assert streams == sorted(set(streams))
    assert len(streams) == 18
    crawls = [one["id"] for one in whole(door, "crawls", token)]
    assert crawls == sorted(crawls, reverse=True)
    assert len(crawls) == 4
    records = [one["record"] for one in whole(door, "records/assignments", token)]
    assert sorted(map(canonical, records)) == sorted(map(canonical, ASSIGNMENTS))
    for name in [one["name"] for one in door.api("reports", token).json()]:
        rows = whole(door, f"reports/{name}", token)
        at_once = door.api(f"reports/{name}", token, params={"limit": 1000}).json()
        assert [{**one, "age_seconds": 0} for one in rows] == [{**one, "age_seconds": 0} for one in at_once["items"]]
        assert at_once["next"] is None


@pytest.mark.usefixtures("other")
def test_a_token_of_one_location_sees_that_alone(door, filled):
    """Of others it is told nothing, whatever it asks for."""
    token = filled.api_tokens.make("lab", Access.READ, ["2"], None)
    assert [one["uid"] for one in whole(door, "locations", token)] == ["2"]
    for path in ("streams", "crawls", "records/assets"):
        assert {one["uid"] for one in whole(door, path, token)} == {"2"}, path
        refused = door.api(path, token, params={"location": "hq"})
        assert refused.status_code == 404, path
        assert refused.text == door.api(path, token, params={"location": "nowhere"}).text.replace("nowhere", "hq")
    assert {one["location_uid"] for one in whole(door, "reports/licences", token)} == {"2"}
    assert door.api("reports/licences", token, params={"location": "1"}).status_code == 404
    changes = door.api("changes", token).json()
    assert {one["uid"] for one in changes["items"]} == {"2"}
    assert door.api("changes", token, params={"location": "1"}).status_code == 404
    assert door.api("locations/1", token).status_code == 404
    assert door.api("crawls/1", token).status_code == 404


def test_reading_is_not_acting(door, filled):
    """A token that may read may start nothing; one that may act acts on what it may see, and on nothing else."""
    reads = filled.api_tokens.make("reads", Access.READ, None, None)
    acts = filled.api_tokens.make("acts", Access.ACT, ["1"], None)
    for path in ("locations/1/syncs", "locations/1/acceptances"):
        assert door.api(path, reads, "POST", json={}).status_code == 403
        assert door.api(path.replace("1", "2"), acts, "POST", json={}).status_code == 404
    answer = door.api("locations/1/acceptances", acts, "POST", json={})
    assert (answer.status_code, answer.json()["done"]) == (202, "nothing-held")


def test_a_token_is_refused(door, filled):
    """Without one, with a wrong one, one that ended, one that was withdrawn, or a password's session."""
    now = filled.now()
    ended = filled.api_tokens.make("ended", Access.READ, None, now)
    withdrawn = filled.api_tokens.make("withdrawn", Access.READ, None, None)
    filled.api_tokens.withdraw("withdrawn")
    for token in (None, "wrong", "", ended, withdrawn):
        answer = door.api("locations", token)
        assert answer.status_code == 401, token
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"
    filled.accounts.add("anna", Access.ACT, "correct horse battery")
    assert door.post("/sign-in", {"name": "anna", "password": "correct horse battery"}).status_code == 303
    assert door.api("locations").status_code == 401


def test_wrong_tokens_are_slowed_down(serve, filled, monkeypatch):
    """Whoever guesses is soon refused without a look, and would not learn that a guess was right."""
    monkeypatch.setattr("entrypoints.web.api.callers._PER_SECOND", 0.0)  # however long the guesses take
    door = serve(CLOSED)
    token = filled.api_tokens.make("inventory", Access.READ, None, None)
    statuses = [door.api("locations", "wrong").status_code for _ in range(51)]
    assert statuses == [401] * 50 + [429]
    assert door.api("locations", token).status_code == 429


def test_a_token_opens_no_page(door, filled):
    """It is for the API alone: a page would show what it may not see."""
    token = filled.api_tokens.make("inventory", Access.ACT, ["1"], None)
    assert door.get("/overview.json", Authorization=f"Bearer {token}", Accept="*/*").status_code == 401


def test_of_a_token_a_digest_is_kept(filled, services):
    """Neither the database nor the list has the token itself."""
    token = filled.api_tokens.make("inventory", Access.READ, None, None)
    with filled.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM api_tokens").all()
    assert token.removeprefix("pageturner_") not in str(rows)
    assert token not in str(services.store.api_tokens.all())


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("records/nothing", 400, "There is no list 'nothing'"),
        ("records/assets?where=nothing=1", 400, "'nothing' is no column to choose by"),
        ("records/assets?where=nothing", 400, "COLUMN=VALUE"),
        ("reports/nothing", 404, "There is no such report"),
        ("reports/licences?where=nothing=1", 400, "There is no such column"),
        ("reports/licences?after=nonsense", 400, "'after'"),
        ("crawls?since=soon", 400, "since: 'soon' is neither"),
        ("crawls?limit=0", 422, "limit"),
        ("changes?wait=600", 422, "wait"),
        ("changes?after=soon", 400, "'soon' is neither a number nor a bookmark"),
        ("changes?after=999999", 410, "lies beyond the feed"),
        ("changes?after=other:1", 410, "of another feed"),
        ("locations/3", 404, "There is no such location"),
        ("nothing", 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_is_told(serve, path, status, words):
    """As a problem with its status, and a sentence."""
    answer = serve().api(path)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_a_bookmark_of_what_is_gone(serve, filled):
    """A reader who comes too late is told to begin anew, and does not miss anything silently."""
    door = serve()
    first = door.api("changes/position").json()["first"]
    with filled.database.write() as connection:
        connection.exec_driver_sql("UPDATE feed SET pruned = 2")
    answer = door.api("changes", params={"after": first})
    assert answer.status_code == 410
    assert "no longer kept" in answer.json()["detail"]


def test_the_feed_is_read_by_bookmarks(serve):
    """Each page goes on where the one before it ended, with nothing twice; a filter leaves out, and moves on."""
    door = serve()
    seen, after = [], ""
    while True:
        found = door.api("changes", params={"after": after, "limit": 2}).json()
        seen += [one["seq"] for one in found["items"]]
        after = found["bookmark"]
        if not found["has_more"]:
            break
    assert seen == list(range(1, 10))
    assert after == door.api("changes/position").json()["bookmark"]
    only = door.api("changes", params={"resource": "users"}).json()
    assert [one["key"] for one in only["items"]] == [{"clientUserId": "anna"}]
    assert only["bookmark"] == after


@pytest.fixture
def somebody_waits(monkeypatch) -> threading.Event:
    """Tell when somebody begins to wait for a change for long."""
    begun, moved = threading.Event(), FeedWatch.moved

    async def wait(watch: FeedWatch, services: Any, seq: int, seconds: float) -> None:
        if seconds > 5:
            begun.set()
        await moved(watch, services, seq, seconds)

    monkeypatch.setattr(FeedWatch, "moved", wait)
    return begun


def test_waiting_for_a_change(serve, filled, somebody_waits):
    """Whoever waits has the change when it is committed, and an empty answer when nothing comes."""
    door = serve()
    after = door.api("changes/position").json()["bookmark"]
    assert door.api("changes", params={"after": after, "wait": 1}).json() == {
        "items": [],
        "bookmark": after,
        "has_more": False,
    }
    found = []
    asking = threading.Thread(
        target=lambda: found.append(
            requests.get(f"{door.origin}/api/v1/changes", {"after": after, "wait": 60}, timeout=90).json()
        )
    )
    asking.start()
    assert somebody_waits.wait(30)
    filled.publish(filled.read(filled.stream(filled.location, "users"), [{"clientUserId": "bob"}], version="v2"))
    asking.join(60)
    assert {"clientUserId": "bob"} in [one["key"] for one in found[0]["items"]]


def test_the_feed_as_events(serve, filled):
    """Each change is an event whose id is its bookmark; with that one goes on."""
    door = serve()
    events = read_events(door, 9)
    assert [one["event"] for one in events] == ["insert"] * 9
    rest = read_events(door, 4, {"Last-Event-ID": events[4]["id"]})
    assert rest == events[5:]
    filled.publish(filled.read(filled.stream(filled.location, "users"), [{"clientUserId": "bob"}], version="v2"))
    assert "bob" in str(read_events(door, 2, {"Last-Event-ID": events[-1]["id"]}))


def read_events(door, count: int, headers: dict[str, str] | None = None) -> list[dict[str, str]]:
    """Read so many events that have data."""
    found: list[dict[str, str]] = []
    with requests.get(f"{door.origin}/api/v1/changes/events", headers=headers, stream=True, timeout=20) as answer:
        one: dict[str, str] = {}
        for line in answer.iter_lines(decode_unicode=True):
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                one[name] = value
            elif not line and "data" in one:
                found.append(one)
                if len(found) == count:
                    return found
                one = {}
    return found


def test_what_is_known_is_not_sent_again(serve, filled):
    """An answer has a tag; who has it already is told so, until something changes."""
    door = serve()
    for path in ("locations", "records/assets", "reports/licences", "changes", "openapi.json"):
        tag = door.api(path).headers["etag"]
        answer = door.api(path, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (answer.status_code, answer.content) == (304, b""), path
    tag = door.api("records/users").headers["etag"]
    filled.publish(filled.read(filled.stream(filled.location, "users"), [{"clientUserId": "bob"}], version="v2"))
    assert door.api("records/users", headers={"If-None-Match": tag}).status_code == 200


def test_the_document_describes_all(serve):
    """Every address has a name of its own, what it returns, and how one gets in."""
    document = serve().api("openapi.json").json()
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names) == 13
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for methods in document["paths"].values():
        for one in methods.values():
            assert one["security"], one["operationId"]
            assert {"401", "410", "503"} <= set(one["responses"])


def test_a_stream_ends_with_its_token(serve, filled, monkeypatch):
    """Whoever is sent events is sent none any more when the token is withdrawn: the stream ends."""
    monkeypatch.setattr(changes, "_BEAT_SECONDS", 0.2)
    token = filled.api_tokens.make("inventory", Access.READ, None, None)
    door = serve(CLOSED)
    url, headers = f"{door.origin}/api/v1/changes/events", {"Authorization": f"Bearer {token}"}
    with requests.get(url, headers=headers, stream=True, timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines) == b":"
        filled.api_tokens.withdraw("inventory")
        for _ in lines:  # of a stream that goes on there is no end
            continue


def test_a_stream_outlives_its_database(serve, filled, services, monkeypatch):
    """While the database is away a stream says nothing new, and goes on when it is back."""
    monkeypatch.setattr(changes, "_AWAY_SECONDS", 0.05)
    monkeypatch.setattr(changes, "_BEAT_SECONDS", 0.2)
    extent, errors = services.store.feed.extent, [DatabaseAway()] * 3
    door = serve()
    with requests.get(f"{door.origin}/api/v1/changes/events", stream=True, timeout=60) as answer:
        lines = answer.iter_lines(decode_unicode=True)
        assert any("anna" in line for line in lines)
        monkeypatch.setattr(services.store.feed, "extent", lambda: _raise(errors.pop()) if errors else extent())
        filled.publish(filled.read(filled.stream(filled.location, "users"), [{"clientUserId": "bob"}], version="v2"))
        assert any("bob" in line for line in lines)
    assert errors == []


def _raise(error: Exception) -> Any:
    raise error


def test_a_feed_that_becomes_another_is_noticed(serve, filled, somebody_waits):
    """A reader who waits while the database is restored is told to begin anew, and is given nothing of the new feed."""
    door = serve()
    after = door.api("changes/position").json()["bookmark"]
    found: list[requests.Response] = []
    asking = threading.Thread(
        target=lambda: found.append(
            requests.get(f"{door.origin}/api/v1/changes", {"after": after, "wait": 60}, timeout=90)
        )
    )
    asking.start()
    assert somebody_waits.wait(30)
    filled.feed.begin_another()
    filled.publish(filled.read(filled.stream(filled.location, "users"), [{"clientUserId": "bob"}], version="v2"))
    asking.join(60)
    assert found[0].status_code == 410


@pytest.mark.parametrize(
    "path",
    [
        "crawls/9999999999999999999",
        "crawls?after=WyJhYmMiXQ",
        "crawls?after=W251bGxd",
        "crawls?after=W3RydWVd",
        "reports/locations_health?after=WzAsMCxbIjAwMDEtMDEtMDFUMDA6MDA6MDArMTQ6MDAiXSwieCIsIngiXQ",
        "records/assets?after=WzFlMzBd",
        "reports/licences?where=total=abc",
        "records/assets?q=%00",
        "locations/%00",
    ],
)
def test_no_input_is_a_mistake_of_ours(serve, path):
    """Whatever is sent, the answer says that it cannot be used."""
    assert serve().api(path).status_code in {400, 404, 422}
