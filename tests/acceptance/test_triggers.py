"""It runs by itself: an installation by its Procfile, which Apple's notices and the scheduler keep in step."""

import asyncio
import itertools
import json
import random
import time
from datetime import datetime

import pytest
import requests
import sqlalchemy as sa
from standardwebhooks.webhooks import Webhook

from apple.resources import RESOURCES, Paging
from orchestration.scheduler import TICK_EVERY
from storage.schema import crawls, locations, notices, streams, syncs
from tests.support.notifier import make_notice, send, send_many
from tests.support.receiver import running_receiver
from tests.support.sentry import running_sink
from tests.support.site import await_true, kill, running_site

#: A small part of the time after which the scheduler would look.
SOON = 60.0

NUMBERED = tuple(name for name, resource in RESOURCES.items() if resource.paging is Paging.INDEX)

SIZE = ("--assets", "10", "--assignments", "300", "--users", "60", "--page-size", "50")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Everything that the Procfile names, and an Apple of some small locations."""
    with running_site(tmp_path_factory.mktemp("site"), "--locations", "16", "--latency", "60", *SIZE) as site:
        yield site


@pytest.fixture(scope="module")
def place(site):
    """A location that is in step, and whose notices come."""
    return settle(site)


def settle(site):
    """Keep a location, wait until it is in step, and have its notices sent."""
    place = site.cluster.add(*NUMBERED)
    await_true(lambda: is_in_step(place), "the scheduler reads what is new")
    done = site.cluster.run("notices", "subscribe", place.name, "--url", site.notices_url)
    assert done.returncode == 0, done.stderr
    return place


def is_in_step(place) -> bool:
    """Return whether every stream was in step at some time."""
    return all(stream["seen_at"] for stream in place.status()["streams"])


def is_mirrored(place) -> bool:
    """Return whether the mirror is what Apple has."""
    return all(place.mirror(resource) == place.truth(resource) for resource in NUMBERED)


def secret_of(place) -> str:
    """Ask Apple for the secret that it sends along."""
    return str(config_of(place)["notificationAuthToken"])


def config_of(place, **wanted) -> dict[str, str]:
    """Ask Apple for the client config of a location, or set something in it, as any service might."""
    apple = place.cluster.apple
    token = next(one["token"] for one in apple.locations if one["uid"] == place.uid)
    headers = {"Authorization": f"Bearer {token}"}
    url, method = f"{apple.origin}/mdm/v2/client/config", "POST" if wanted else "GET"
    answer = requests.request(method, url, headers=headers, json=wanted or None, timeout=10)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def set_receiver(place, url) -> None:
    """Have the notices of a location sent to another service."""
    config_of(place, notificationUrl=url, notificationAuthToken="theirs", notificationTypes=["ASSET_COUNT"])


def kept(site, *conditions) -> int:
    """Count the notices that are kept."""
    with site.cluster.database() as database, database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(notices).where(*conditions)) or 0


def await_handled(site, seconds: float = 20.0) -> None:
    """Wait until every notice was acted on."""
    await_true(lambda: not kept(site, notices.c.handled_at.is_(None)), "all notices are handled", seconds)


def synced(site, place) -> int:
    """Count the syncs of a location."""
    mine = sa.select(locations.c.id).where(locations.c.uid == place.uid).scalar_subquery()
    with site.cluster.database() as database, database.read() as connection:
        count = sa.select(sa.func.count()).select_from(syncs).where(syncs.c.location_id == mine)
        return connection.scalar(count) or 0


def test_a_change_is_in_the_mirror_soon(site, place):
    """What Apple tells of is in the mirror and the feed long before the scheduler would look, removals too."""
    for change in ({"insert": 5, "remove": 3}, {"insert": 1}, {"remove": 4}):
        place.change(resource="assignments", **change)
        await_true(lambda: is_mirrored(place), "the change is mirrored", seconds=SOON)
    assert {one["statuses"][-1] for one in site.cluster.apple.notices(place.uid)} == {200}
    assert any(change.op == "delete" for change in place.changes("assignments"))


def test_a_program_is_told_soon(site, place, tmp_path):
    """What Apple tells of is with a webhook's receiver within seconds, signed, and whole if it asked for records."""
    with running_receiver() as receiver:
        file = tmp_path / "notify.toml"
        file.write_text(
            f'[[webhook]]\nname = "mdm"\nurl = "{receiver.url}"\nlocations = ["{place.name}"]\nrecords = true'
        )
        assert site.cluster.run("notify", "apply", str(file)).returncode == 0
        secret = site.cluster.run("notify", "secret", "mdm").stdout.strip()
        place.change(resource="users", insert=2)
        await_true(lambda: len(told(receiver, "users")) >= 2, "the receiver is told", seconds=SOON)
        headers, body = receiver.deliveries[0]
        assert Webhook(secret).verify(body, headers)["data"]["location"] == place.name
        assert all(change["after"]["clientUserId"] for change in told(receiver, "users"))
        assert site.cluster.run("notify", "apply", "--prune", str(empty(tmp_path))).returncode == 0


def empty(folder):
    """Return a file that names nobody."""
    file = folder / "nobody.toml"
    file.touch()
    return file


def told(receiver, resource):
    """Return the changes of a list that a receiver was told."""
    return [one for event in receiver.events() for one in event["data"]["changes"] if one["resource"] == resource]


def test_flower_lists_what_was_done(site, place):
    """Flower shows tasks by names and arguments that a person can read, and no secret."""
    for name in ("pageturner.sync", "pageturner.seed", "pageturner.publish"):
        assert site.flower.await_task(name)
    shown = json.dumps(site.flower.ask("api/tasks?limit=1000"))
    assert place.uid in shown
    assert secret_of(place) not in shown
    assert "pageturner.tick" not in shown  # the scheduler's rounds would hide all else


def test_a_burst_is_one_sync(site):
    """A thousand notices in a second, half of them twice: answered at once, kept once, and two syncs at most."""
    place = settle(site)
    unique = [make_notice(place.uid) for _ in range(500)]
    some = unique * 2
    random.Random(1).shuffle(some)
    before, kept_before = synced(site, place), kept(site)
    burst = asyncio.run(send_many(site.notices_url, secret_of(place), some))
    assert burst.statuses == {200: 1000}
    assert kept(site) == kept_before + 500
    await_handled(site)
    await_true(lambda: synced(site, place) > before, "it is synced")
    time.sleep(6)  # a third sync would begin by then: there is no event for what must not come
    assert synced(site, place) - before in {1, 2}


WRONG = {
    "no bearer": (None, {}),
    "another bearer": ("x" * 43, {}),
    "an empty bearer": ("", {}),
    "a basic one": (None, {"Authorization": "Basic eDp5"}),
    "a very long bearer": ("x" * 20_000, {}),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_stranger_learns_nothing(site, place, wrong):
    """A wrong bearer is answered alike for a location that is kept and for one that is not, and nothing is kept."""
    bearer, headers = wrong
    before = kept(site)
    paths = ("", f"/{place.uid}", "/999", f"/{place.name}")
    bodies = (make_notice(place.uid), b"not JSON", b"x" * 100_000)
    answers = {str(send(site.notices_url + path, body, bearer, **headers)) for path in paths for body in bodies}
    assert len(answers) == 1
    assert send(site.notices_url, make_notice(place.uid), bearer, **headers).status == 401
    assert kept(site) == before


def test_a_right_bearer_with_something_else(site, place):
    """What is too large, no notice, or another location's is refused, and nothing of it is kept."""
    secret, other = secret_of(place), site.cluster.add("users")
    before = kept(site)

    def status(body, path="", bearer=secret, **headers):
        return send(site.notices_url + path, body, bearer, **headers).status

    assert status(b"x" * 2_000_000) == 413
    assert status(b"{") == 400
    assert status(make_notice(place.uid, notificationId="")) == 400
    assert status(make_notice(other.uid)) == 400
    assert status(make_notice(other.uid), f"/{place.uid}") == 400
    assert status(make_notice(place.uid), f"/{other.uid}") == 401
    assert kept(site) == before
    assert status(make_notice(place.uid), f"/{place.uid}") == 200
    assert kept(site) == before + 1


def test_what_nobody_knows_is_kept_and_shown(site, place):
    """A right bearer with an unknown uId or type: kept, answered 200, and told by `status`."""
    secret = secret_of(place)
    assert send(site.notices_url, make_notice("4711"), secret).status == 200
    assert send(site.notices_url, make_notice(place.uid, "NEW_THING"), secret).status == 200
    await_true(lambda: "4711" in site.cluster.run("status").stderr, "the location is told")
    assert f"NEW_THING for {place.name}" in site.cluster.run("status").stderr
    shown = json.loads(site.cluster.run("notices", "list", "--unknown", "--json").stdout)
    assert [one["uid"] for one in shown] == ["4711"]


def test_anything_may_come(site, place):
    """Thousands of bodies at random never bring an error of ours, and none is kept that is no notice."""
    dice, secret, before = random.Random(7), secret_of(place), kept(site)
    alphabet = [
        '"',
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "notificationId",
        "uId",
        "notification",
        "\\u0000",
        "1e999",
        "é",
        "null",
    ]
    bodies = [dice.randbytes(dice.randrange(60)) for _ in range(1500)]
    bodies += ["".join(dice.choices(alphabet, k=dice.randrange(40))).encode() for _ in range(1000)]
    bodies += [make_broken(dice, place.uid) for _ in range(500)]

    async def send_all():
        return await send_raw(site.notices_url, secret, bodies)

    statuses = asyncio.run(send_all())
    assert set(statuses) <= {200, 400}
    assert statuses.count(200) == kept(site) - before


def make_broken(dice, uid) -> bytes:
    """Make a notice with one thing wrong in it, or nothing."""
    notice = make_notice(uid)
    name = dice.choice(list(notice))
    notice[name] = dice.choice([None, 1, [], {}, "", "\u0000", "x" * 300, True, notice[name]])
    return json.dumps(notice).encode()


async def send_raw(url, bearer, bodies) -> list[int]:
    """Send bodies as they are, over some connections."""
    from urllib.parse import urlsplit

    from tests.support.notifier import _status

    split, statuses, waiting = urlsplit(url), [], list(bodies)

    async def work():
        reader, writer = await asyncio.open_connection(split.hostname, split.port)
        while waiting:
            body = waiting.pop()
            head = f"POST {split.path} HTTP/1.1\r\nHost: receiver\r\nAuthorization: Bearer {bearer}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            statuses.append(await _status(reader))
        writer.close()

    await asyncio.gather(*(work() for _ in range(20)))
    return statuses


def test_the_broker_may_be_down(site, place):
    """Notices are kept while Redis is away, and acted on within a tick of its return."""
    secret = secret_of(place)
    site.redis.stop()
    try:
        place.change(resource="users", insert=3)
        assert send(site.notices_url, make_notice(place.uid, "USER_MANAGEMENT"), secret).status == 200
        assert kept(site, notices.c.handled_at.is_(None)) >= 1
    finally:
        site.redis.start()
    await_handled(site, seconds=10 * TICK_EVERY.total_seconds())
    await_true(lambda: is_mirrored(place), "the change is mirrored")


def test_notices_may_come_twice_or_never(site, place):
    """One that comes twice is kept once; of one that is lost the scheduler finds out, or a person who asks for it."""
    site.cluster.apple.switch(notices="twice")
    place.change(resource="users", insert=1)
    await_true(lambda: is_mirrored(place), "the change is mirrored")
    newest = json.loads(site.cluster.run("notices", "list", place.name, "--limit", "1", "--json").stdout)[0]
    assert (newest["type"], newest["deliveries"]) == ("USER_MANAGEMENT", 2)
    site.cluster.apple.switch(notices="lost")
    place.change(resource="users", insert=1)
    assert not is_mirrored(place)
    site.cluster.apple.switch(notices="once")
    done = site.cluster.run("notices", "replay", "--id", newest["notification_id"])
    assert done.returncode == 0, done.stderr
    await_true(lambda: is_mirrored(place), "what was replayed is looked into")


def test_a_location_of_another_is_not_taken(site):
    """Where another service holds a location, its notices are taken on a claim alone; an unsubscription ends them."""
    place = site.cluster.add("assets")
    other = {"id": "other", "name": "Other MDM", "metadata": ""}
    site.cluster.apple.set_owner(other, place.uid)
    subscribe = ("notices", "subscribe", place.name, "--url", site.notices_url)
    refused = site.cluster.run(*subscribe)
    assert (refused.returncode, "managed by 'Other MDM'" in refused.stderr) == (5, True)
    assert site.cluster.run(*subscribe, "--claim").returncode == 0
    bearer = secret_of(place)
    assert send(site.notices_url, make_notice(place.uid), bearer).status == 200
    assert site.cluster.run("notices", "unsubscribe", place.name).returncode == 0
    await_true(lambda: send(site.notices_url, make_notice(place.uid), bearer).status == 401, "its secret is no good")


def test_notices_of_another_are_not_touched(site):
    """Where another service receives the notices, neither subscribing nor ending it is done without a claim."""
    place = site.cluster.add("assets")
    with running_sink() as other:
        theirs = other.dsn.replace("public@", "")
        set_receiver(place, theirs)
        subscribe = ("notices", "subscribe", place.name, "--url", site.notices_url)
        unsubscribe = ("notices", "unsubscribe", place.name)
        for command in (subscribe, unsubscribe, subscribe):  # whatever was noted of it meanwhile
            refused = site.cluster.run(*command)
            assert (refused.returncode, theirs in refused.stderr) == (5, True)
        assert config_of(place)["notificationUrl"] == theirs
        assert site.cluster.run(*subscribe, "--claim").returncode == 0
        assert config_of(place)["notificationUrl"] == site.notices_url
        assert site.cluster.run(*subscribe).returncode == 0


def test_an_address_that_nobody_answers_is_not_taken(site, place):
    """Apple tries the address out: one that is wrong changes nothing, and the old secret stays good."""
    bearer = secret_of(place)
    wrong = site.cluster.run("notices", "subscribe", place.name, "--url", site.notices_url + "/999")
    assert wrong.returncode == 1
    assert "pageturner webhook" in wrong.stderr
    assert send(site.notices_url, make_notice(place.uid), bearer).status == 200


def test_worker_and_beat_may_die(site, place):
    """Notices that come while nobody works are acted on by whoever is started next."""
    secret = secret_of(place)
    site.kill("worker")
    site.kill("beat")
    place.change(resource="assignments", insert=2, remove=2)
    assert send(site.notices_url, make_notice(place.uid), secret).status == 200
    assert kept(site, notices.c.handled_at.is_(None)) >= 1
    site.start("worker", "beat")
    site.await_up()
    await_handled(site, seconds=10)
    await_true(lambda: is_mirrored(place), "the change is mirrored")


def test_two_beats_do_the_work_of_one(site, tmp_path):
    """With two beats, of which one is killed, every stream is read in its time, and none twice at once."""
    file = tmp_path / "locations.toml"
    place = site.cluster.add("users")
    token = next(one["token"] for one in site.cluster.apple.locations if one["uid"] == place.uid)
    (tmp_path / "one.vpptoken").write_text(token)
    file.write_text(
        f'[[location]]\nname = "{place.name}"\ntoken = "one.vpptoken"\nresources = ["users"]\ndelta = "5s"\n'
    )
    assert site.cluster.run("locations", "apply", str(file)).returncode == 0
    other = site.start_another("beat")
    first = len(opened(site, place)) + 1
    try:
        await_true(lambda: len(opened(site, place)) >= first + 2, "it is read again and again", seconds=90)
        site.kill("beat")
        try:
            seen = len(opened(site, place))
            await_true(lambda: len(opened(site, place)) >= seen + 3, "the other beat goes on", seconds=90)
        finally:
            site.start("beat")
    finally:
        kill(other)
    moments = opened(site, place)[first:]
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(moments)]
    assert min(gaps) >= 2  # half an interval is the least; twice at once would be nothing


def opened(site, place) -> list[datetime]:
    """Return when readings of a location's users began."""
    mine = sa.select(crawls.c.opened_at).join(streams, streams.c.id == crawls.c.stream_id)
    mine = mine.join(locations, locations.c.id == streams.c.location_id).where(locations.c.uid == place.uid)
    with site.cluster.database() as database, database.read() as connection:
        return list(connection.scalars(mine.order_by(crawls.c.id)))


def test_monitoring_sees_it(site, place):
    """The metrics name what there is, and the probes say that it is well."""
    _, text = site.get("METRICS_PORT", "metrics")
    labels = f'location="{place.name}",resource="users",uid="{place.uid}"'
    assert f"pageturner_stream_last_success_timestamp_seconds{{{labels}}}" in text
    assert 'pageturner_up{part="broker"} 1.0' in text
    assert 'pageturner_queue_messages{queue="seed"}' in text
    assert 'pageturner_notices_total{result="kept"}' in text
    assert site.get("METRICS_PORT", "readyz?max_age=1h")[0] == 200
    assert site.get("METRICS_PORT", "readyz?max_age=soon")[0] == 400
    assert site.get("METRICS_PORT", "healthz")[0] == site.get("WEBHOOK_PORT", "healthz")[0] == 200
    assert site.get("WEBHOOK_PORT", "metrics")[0] == 404
    assert site.cluster.run("status", "--check", "--max-age", "1h").returncode == 0
    assert site.cluster.run("doctor").returncode == 0


def test_no_secret_is_shown(site, place):
    """Neither a token nor a notice's secret is in any log, metric, or answer."""
    tokens = [one["token"] for one in site.cluster.apple.locations]
    said = site.logs() + site.get("METRICS_PORT", "metrics")[1] + site.cluster.run("notices", "list", "--json").stdout
    for secret in (secret_of(place), site.cluster.env["PAGETURNER_SECRET_KEYS"], *tokens):
        assert secret not in said
