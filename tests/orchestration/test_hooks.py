"""Hooks are told what changed: in order, at least once, for three days, and with what their consumers need."""

import random
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from standardwebhooks.webhooks import Webhook

from orchestration import hooks as module
from orchestration.hook_client import post, read_retry_after, shown
from orchestration.hooks import HookSender
from orchestration.metrics import Metrics
from storage.audience import hook_positions
from storage.clock import VirtualClock
from storage.hooks import Hook
from storage.mirror.feed import _note_pruned
from storage.schema import changes, crawls, feed
from tests.support.filled_store import make_store
from tests.support.receiver import running_receiver


@pytest.fixture
def receiver():
    """A receiver of webhooks."""
    with running_receiver() as running:
        yield running


@pytest.fixture
def clock(database):
    """The clock of the database, which passes by hand."""
    database._clock = VirtualClock(database.now())
    return database._clock


@pytest.fixture
def store(database, clock):
    """A store with a location, and a clock that passes by hand."""
    assert clock.now() == database.now()
    store = make_store(database)
    store.add("hq", "1")
    return store


@pytest.fixture
def sender(store):
    """A sender."""
    return HookSender(store, post, Metrics())


def add(store, receiver, *, seq=None, **more):
    """Add a hook."""
    values = {"uids": None, "resources": None, "has_records": True, "added_at": store.now(), **more}
    store.hooks.put(Hook(name="mdm", url=receiver.url, **values), None, seq)


def publish(store, *numbers, resource="assets", name="hq"):
    """Publish a full crawl of a list."""
    location = store.locations.named(name)
    fields = {
        "assets": lambda n: {"adamId": f"{n}", "pricingParam": "STDQ"},
        "users": lambda n: {"clientUserId": f"{n}"},
    }
    records = [fields[resource](n) for n in numbers]
    stream = store.stream(location, resource)
    store.publish(store.read(stream, records, version=f"v{random.random()}"))


def seqs(receiver):
    """Return the numbers of the changes of each delivery."""
    return [[change["seq"] for change in event["data"].get("changes", [])] for event in receiver.events()]


def test_what_changes_is_told(store, receiver, sender):
    """A hook is told what changes from when it was added on, signed, and nothing twice."""
    publish(store, 1)
    add(store, receiver)
    assert sender.deliver() == 0
    publish(store, 1, 2)
    assert sender.deliver() == 1
    assert sender.deliver() == 0
    [(headers, body)] = receiver.deliveries
    event = Webhook(store.hooks.secret("mdm")).verify(body, headers)
    assert event["type"] == "changes"
    assert [change["key"]["adamId"] for change in event["data"]["changes"]] == ["2"]


def test_from_a_bookmark(store, receiver, sender):
    """A hook that begins after an earlier number is told everything since."""
    publish(store, 1, 2, 3)
    add(store, receiver, seq=1)
    sender.deliver()
    assert seqs(receiver) == [[2, 3]]


def test_of_some_locations_and_lists(store, receiver, sender):
    """A hook is told of the locations and lists that it wants alone, and does not wait for the others."""
    store.add("berlin", "2")
    add(store, receiver, uids=["2"], resources=["users"])
    publish(store, 1)
    publish(store, 1, resource="users")
    publish(store, 1, name="berlin")
    publish(store, 1, resource="users", name="berlin")
    sender.deliver()
    assert [(event["data"]["location"], len(event["data"]["changes"])) for event in receiver.events()] == [
        ("berlin", 1)
    ]
    assert store.hooks.due("mdm", store.now()) == []


def test_large_changes_come_in_order(store, receiver, sender, monkeypatch):
    """More changes than one delivery has come in several, one after the other, each after the last."""
    monkeypatch.setattr(module, "BATCH", 3)
    add(store, receiver)
    publish(store, *range(8))
    assert sender.deliver() == 3
    assert seqs(receiver) == [[1, 2, 3], [4, 5, 6], [7, 8]]
    data = [event["data"] for event in receiver.events()]
    assert [one["after"] for one in data[1:]] == [one["bookmark"] for one in data[:-1]]


def test_what_was_not_taken_is_tried_again(store, receiver, sender, clock):
    """What was not taken is tried again, ever later, the same and with the same id; what comes after it waits."""
    add(store, receiver)
    publish(store, 1)
    receiver.answer = lambda _: 500
    assert sender.deliver() == 0
    assert sender.deliver() == 0
    assert len(receiver.deliveries) == 1
    publish(store, 1, 2)
    clock.sleep(8)
    sender.deliver()
    receiver.answer = lambda _: 200
    clock.sleep(40)
    assert sender.deliver() == 2
    assert seqs(receiver) == [[1], [1], [1], [2]]
    ids = [headers["webhook-id"] for headers, _ in receiver.deliveries]
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]


def test_one_location_does_not_wait_for_another(store, receiver, sender):
    """A delivery that is not taken holds up its own location, and no other."""
    store.add("berlin", "2")
    add(store, receiver)
    receiver.answer = lambda body: 400 if b'"hq"' in body else 200
    publish(store, 1)
    publish(store, 1, name="berlin")
    assert sender.deliver() == 1
    assert [(one.uid, one.attempts) for one in store.hooks.troubled()] == [("1", 1)]


def test_one_hook_does_not_wait_for_another(store, receiver, sender, clock):
    """A hook that does not answer is left alone for a while, whatever the location; others are told meanwhile."""
    for number in range(5):
        store.add(f"school-{number}", f"1{number}")
    add(store, receiver)
    store.hooks.put(
        Hook(
            name="away", url="http://127.0.0.1:9/", uids=None, resources=None, has_records=False, added_at=store.now()
        ),
        None,
    )
    for number in range(5):
        publish(store, 1, name=f"school-{number}")
    assert sender.deliver() == 5
    failed = [one for one in store.hooks.troubled() if one.hook == "away"]
    assert 1 <= len(failed) <= 5
    assert "does not answer" in failed[0].error
    clock.sleep(10)
    sender.deliver()
    assert [one.attempts for one in store.hooks.troubled()] == [1] * len(failed)


def test_it_is_dead_after_three_days(store, receiver, sender, clock):
    """What is not taken for three days is dead: shown, not tried any more, and complete and in order once replayed."""
    add(store, receiver)
    publish(store, 1)
    receiver.answer = lambda _: 500
    for _ in range(100):
        sender.deliver()
        clock.sleep(2 * 3600)
        if store.hooks.troubled()[0].dead_at:
            break
    [dead] = store.hooks.troubled()
    tried, since = len(receiver.deliveries), dead.failing_since
    assert timedelta(days=3) < dead.dead_at - since < timedelta(days=3, hours=5)
    clock.sleep(5 * 24 * 3600)
    publish(store, 1, 2)
    assert sender.deliver() == 0
    assert len(receiver.deliveries) == tried
    receiver.answer = lambda _: 200
    store.hooks.replay("mdm", None, None)
    assert sender.deliver() == 2
    assert seqs(receiver)[tried:] == [[1], [2]]
    assert store.hooks.troubled() == []


def test_it_is_gone(store, receiver, sender, clock):
    """A hook that answers 410 is told nothing more, until it is replayed."""
    add(store, receiver)
    receiver.answer = lambda _: 410
    publish(store, 1)
    sender.deliver()
    clock.sleep(1e6)
    sender.deliver()
    assert len(receiver.deliveries) == 1
    assert store.hooks.all()[0].gone_at is not None
    receiver.answer = lambda _: 204
    store.hooks.replay("mdm", None, None)
    assert sender.deliver() == 1


def test_a_wait_that_is_asked_for(store, receiver, sender, clock):
    """A receiver that asks for a rest is left alone for that long."""
    add(store, receiver)
    receiver.answer, receiver.headers = (lambda _: 429), {"Retry-After": "300"}
    store.add("berlin", "2")
    publish(store, 1)
    sender.deliver()
    clock.sleep(200)
    sender.deliver()
    assert len(receiver.deliveries) == 1
    clock.sleep(110)
    sender.deliver()
    assert len(receiver.deliveries) == 2


def test_told_again_from_a_bookmark(store, receiver, sender):
    """A hook is told once more what came after a bookmark: of one location, or of all."""
    store.add("berlin", "2")
    add(store, receiver)
    publish(store, 1, 2)
    publish(store, 1, name="berlin")
    sender.deliver()
    store.hooks.replay("mdm", ["1"], 1)
    sender.deliver()
    assert seqs(receiver)[2:] == [[2]]
    store.hooks.replay("mdm", None, 0)
    sender.deliver()
    assert sorted(seqs(receiver)[3:]) == [[1, 2], [3]]


def prune(store, seq):
    """Prune the feed up to a number, as the sweep does."""
    with store.database.write() as connection:
        _note_pruned(connection, seq)
        connection.execute(sa.delete(changes).where(changes.c.seq <= seq))
        connection.execute(sa.update(feed).values(pruned=seq))


def test_it_begins_anew_in_another_feed(store, receiver, sender, clock):
    """A hook that was told of another feed is told to take all anew, until it takes that, and goes on from there."""
    add(store, receiver)
    publish(store, 1, 2)
    store.feed.begin_another()
    receiver.answer = lambda _: 500
    assert sender.deliver() == 0
    assert store.hooks.all()[0].attempts == 1
    receiver.answer = lambda _: 200
    clock.sleep(60)
    assert sender.deliver() == 1
    assert [event["type"] for event in receiver.events()] == ["restart", "restart"]
    assert receiver.events()[-1]["data"] == {"bookmark": f"{store.feed.extent().name}:2"}
    publish(store, 1, 2, 3)
    sender.deliver()
    assert seqs(receiver)[-1] == [3]


def test_a_restart_that_is_never_taken(store, receiver, sender, clock):
    """It is tried for three days as well, then it is dead, and shown; an answer of 410 ends it at once."""
    add(store, receiver)
    publish(store, 1)
    store.feed.begin_another()
    receiver.answer = lambda _: 500
    for _ in range(60):
        sender.deliver()
        clock.sleep(2 * 3600)
    assert store.hooks.all()[0].dead_at is not None
    tried = len(receiver.deliveries)
    sender.deliver()
    assert len(receiver.deliveries) == tried
    store.hooks.replay("mdm", None, None)
    receiver.answer = lambda _: 410
    sender.deliver()
    assert store.hooks.all()[0].gone_at is not None


def test_what_is_no_longer_kept(store, receiver, sender):
    """A location of which changes were pruned that a hook was not told is taken anew; one that was quiet is not."""
    store.add("berlin", "2")
    add(store, receiver)
    publish(store, 1, name="berlin")
    sender.deliver()
    publish(store, 1, 2)
    prune(store, 2)
    publish(store, 1, 2, name="berlin")
    publish(store, 1, 2, 3)
    sender.deliver()
    told = {name: [one for one in receiver.events() if one["data"]["location"] == name] for name in ("hq", "berlin")}
    assert [one["type"] for one in told["berlin"]] == ["changes", "changes"]
    assert [one["type"] for one in told["hq"]] == ["restart"]
    assert told["hq"][0]["data"]["bookmark"].endswith(f":{store.feed.extent().last}")
    publish(store, 1, 2, 3, 4)
    sender.deliver()
    assert [change["key"]["adamId"] for change in receiver.events()[-1]["data"]["changes"]] == ["4"]


def test_two_senders_do_not_break_the_order(store, receiver, sender, clock):
    """While one process tells a hook no other does; after a while it may, for the first may have died."""
    add(store, receiver)
    publish(store, 1)
    assert store.hooks.lease("mdm", "another", store.now() + timedelta(seconds=60))
    assert sender.deliver() == 0
    store.hooks.release("mdm", "somebody else")
    assert sender.deliver() == 0
    clock.sleep(61)
    assert sender.deliver() == 1


def test_a_replay_during_a_delivery_counts(store, receiver, sender):
    """What somebody asks for while a delivery is under way is not undone by its end; it has another id."""
    add(store, receiver)
    publish(store, 1, 2)

    def replayed(_) -> int:
        if len(receiver.deliveries) == 1:
            store.hooks.replay("mdm", None, 1)
        return 200

    receiver.answer = replayed
    sender.deliver()
    sender.deliver()
    assert seqs(receiver) == [[1, 2], [2]]
    assert len({headers["webhook-id"] for headers, _ in receiver.deliveries}) == 2


def test_told_again_before_it_was_told(store, receiver, sender):
    """A location that a hook was told nothing of yet can be told from a bookmark too."""
    publish(store, 1, 2)
    add(store, receiver)
    store.hooks.replay("mdm", ["1"], 1)
    sender.deliver()
    assert seqs(receiver) == [[2]]


def test_a_replay_keeps_the_restart(store, receiver, sender):
    """A replay after the database was restored does not hide that the feed is another one."""
    add(store, receiver)
    publish(store, 1)
    sender.deliver()
    store.feed.begin_another()
    store.hooks.replay("mdm", None, None)
    sender.deliver()
    assert receiver.events()[-1]["type"] == "restart"


@pytest.mark.parametrize("url", ["https://a..b/hook", "http://[::1", "http://127.0.0.1:1/"])
def test_a_wrong_address_hurts_nobody_else(store, receiver, sender, url):
    """An address that cannot be used is an answer that did not come; other hooks are told."""
    wrong = {"url": url, "uids": None, "resources": None, "has_records": False}
    store.hooks.put(Hook(name="a", added_at=store.now(), **wrong), None)
    add(store, receiver)
    publish(store, 1)
    assert sender.deliver() == 1
    assert "does not answer" in store.hooks.troubled()[0].error


def test_a_hook_that_is_removed_meanwhile(store, receiver, sender):
    """A hook that is removed during a delivery brings nothing back, and keeps no other from being told."""
    add(store, receiver)
    publish(store, 1)

    def remove(_) -> int:
        store.hooks.remove("mdm")
        return 200

    receiver.answer = remove
    sender.deliver()
    assert store.hooks.all() == []
    assert store.hooks.troubled() == []


def test_a_location_that_is_erased(store, receiver, sender):
    """A location that is erased is told no more, and a delivery of it that was under way brings nothing back."""
    add(store, receiver)
    publish(store, 1)
    store.locations.remove("hq")
    location = store.locations.named("hq")

    def erase(_) -> int:
        store.purge.purge(location.id, location.uid)
        return 200

    receiver.answer = erase
    with store.database.write() as connection:
        connection.execute(sa.update(crawls).values(moved_at=store.now() - timedelta(hours=1)))
    sender.deliver()
    assert store.hooks.due("mdm", store.now()) == []
    assert store.locations.removed() == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("9" * 30, 86_400.0), ("", None), ("soon", None), ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0)],
)
def test_what_is_asked_for(text, seconds):
    """A rest is asked for as a number or as a moment; no longer one than a day is granted."""
    assert read_retry_after(text, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_what_is_shown_of_an_address():
    """Of an address, where it is may be shown, and nothing that could be a secret."""
    assert shown("https://user:geheim@mdm.example.org:8443/h?token=SECRET") == "https://mdm.example.org:8443/…"


@pytest.mark.parametrize("seed", range(5))
def test_a_consumer_that_is_killed_at_random_has_the_mirror(store, receiver, sender, clock, monkeypatch, seed):
    """A consumer that fails before or after it has stored what it was sent ends with exactly the mirror."""
    monkeypatch.setattr(module, "BATCH", 4)
    dice = random.Random(seed)
    kept: dict[str, dict[str, object]] = {}
    mark = 0

    def consume(_) -> int:
        nonlocal mark
        if dice.random() < 0.2:
            return 500  # it died before it stored anything
        event = receiver.events()[-1]
        for change in event["data"]["changes"]:
            if change["seq"] > mark:
                mark = change["seq"]
                key = change["key"]["adamId"]
                kept.pop(key, None) if change["op"] == "delete" else kept.update({key: change["after"]})
        return 500 if dice.random() < 0.2 else 200  # it stored all, and died before it answered

    receiver.answer = consume
    add(store, receiver)
    numbers: set[int] = set()
    for _ in range(12):
        numbers ^= set(dice.sample(range(30), dice.randint(1, 9)))
        publish(store, *sorted(numbers))
        for _ in range(dice.randint(0, 3)):
            sender.deliver()
            clock.sleep(dice.choice([1, 10, 200]))
    while store.hooks.due("mdm", store.now() + timedelta(days=1)):
        clock.sleep(3600)
        sender.deliver()
    mirror = store.mirror(store.stream(store.location, "assets"))
    assert sorted(kept.values(), key=str) == mirror
    assert [one["adamId"] for one in mirror] == sorted(map(str, numbers))


def test_positions_are_few(store, receiver, sender):
    """What is not for a hook moves its position as well, so that it is not looked at for ever."""
    add(store, receiver, resources=["users"])
    publish(store, 1)
    sender.deliver()
    with store.database.read() as connection:
        assert connection.scalar(sa.select(hook_positions.c.seq)) == 1
    assert receiver.deliveries == []
