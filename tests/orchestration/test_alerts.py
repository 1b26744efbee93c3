"""People are told what they have to know: once, by mail that was really sent, whatever restarts or fails meanwhile."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestration.alerts import Teller, Telling
from orchestration.courier import scrub
from orchestration.decisions.alerts import Rule
from orchestration.decisions.timetable import Intervals
from orchestration.metrics import Metrics
from storage.channels import AlertChannel
from storage.clock import VirtualClock
from storage.states import LocationState
from tests.support.filled_store import make_store
from tests.support.receiver import running_mailbox

ASSET = {"adamId": "361285480", "pricingParam": "STDQ", "assignedCount": 50, "availableCount": 50, "totalCount": 100}


@pytest.fixture(scope="module")
def server():
    """An SMTP server."""
    with running_mailbox() as running:
        yield running


@pytest.fixture
def mailbox(server):
    """An empty mailbox."""
    server.mails.clear()
    server.is_open = True
    return server


@pytest.fixture
def store(database):
    """A store with a location and a clock that passes by hand."""
    database._clock = VirtualClock(database.now())
    store = make_store(database)
    store.add("hq", "1")
    publish(store, ASSET)
    return store


def publish(store, *assets):
    """Publish the assets."""
    stream = store.stream(store.location, "assets")
    store.publish(store.read(stream, list(assets), version=f"v{random.random()}"))


def tell(store, *channels):
    """Tell people in a process of its own, which remembers nothing."""
    every = Intervals(delta={}, full={}, deep={})
    teller = Teller(store, every, Telling(channels=channels), Metrics())
    teller.tell()
    return teller.send()


def only(mailbox, *rules):
    """Return a channel to a mailbox, of some rules."""
    return AlertChannel(name="it", url=mailbox.url, rules=list(rules))


def test_a_token_that_was_revoked(store, mailbox):
    """What needs somebody is in a mail, once, and not again after a restart."""
    channel = only(mailbox, Rule.TOKEN_REFUSED, Rule.IN_STEP_AGAIN)
    assert tell(store, channel) == 0
    store.locations.mark(store.location.id, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    assert [tell(store, channel) for _ in range(3)] == [1, 0, 0]
    [mail] = mailbox.texts()
    assert mail.startswith("hq: The token was revoked.")
    assert "rotate" not in mail  # the advice is added by whoever knows the commands


def test_it_is_sent_when_the_server_is_back(store, mailbox):
    """A message that was not taken is sent later, once; what was wrong is kept without the address's secrets."""
    mailbox.is_open = False
    channel = replace(only(mailbox, Rule.TOKEN_REFUSED), url=mailbox.url.replace("//", "//someone:hunter2secret@"))
    store.locations.mark(store.location.id, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    assert tell(store, channel) == 0
    [message] = store.alerts.last(10)
    assert message.attempts == 1
    assert "hunter2secret" not in message.error
    mailbox.is_open = True
    assert tell(store, only(mailbox)) == 0  # it rests
    store.database._clock.sleep(10)
    assert tell(store, only(mailbox)) == 1
    assert len(mailbox.mails) == 1


def test_it_is_dead_after_three_days(store, mailbox):
    """A message that is not taken for three days is dead, and sent once it is replayed."""
    mailbox.is_open = False
    channel = only(mailbox, Rule.TOKEN_REFUSED)
    store.locations.mark(store.location.id, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    for _ in range(60):
        tell(store, channel)
        store.database._clock.sleep(2 * 3600)
    [dead] = store.alerts.dead()
    assert dead.dead_at - dead.created_at > timedelta(days=2, hours=20)
    mailbox.is_open = True
    assert tell(store, channel) == 0
    assert store.alerts.replay("it") == 1
    assert tell(store, channel) == 1


def test_a_purchase_arrives(store, mailbox):
    """Licences that are gained are told with the app's name; the first crawl of a location gains none."""
    channel = only(mailbox, Rule.LICENCES_GAINED)
    assert tell(store, channel) == 0
    publish(store, ASSET | {"availableCount": 100, "totalCount": 150}, ASSET | {"adamId": "7", "totalCount": 20})
    assert [tell(store, channel) for _ in range(2)] == [1, 0]
    text = mailbox.texts()[0]
    assert "hq: 50 licences of 361285480 arrived, 150 are owned now." in text
    assert "hq: 20 licences of 7 arrived, 20 are owned now." in text
    store.add("berlin", "2")
    stream = store.stream(store.locations.named("berlin"), "assets")
    store.publish(store.read(stream, [ASSET], version="v1"))
    assert tell(store, channel) == 0


def test_the_first_purchase_of_a_location(store, mailbox):
    """Licences are told to a location that had no apps before; those that its first whole crawl showed are not."""
    channel = only(mailbox, Rule.LICENCES_GAINED)
    store.add("berlin", "2")
    stream = store.stream(store.locations.named("berlin"), "assets")
    store.publish(store.read(stream, [], version="v1"))
    tell(store, channel)
    store.publish(store.read(store.stream(store.locations.named("berlin"), "assets"), [ASSET], version="v2"))
    assert tell(store, channel) == 1
    assert "berlin: 100 licences of 361285480 arrived" in mailbox.texts()[0]


def test_what_was_bought_while_nobody_was_told(store, mailbox):
    """Whoever is told from now on is not told what was bought before."""
    channel = only(mailbox, Rule.LICENCES_GAINED)
    tell(store, channel)
    publish(store, ASSET | {"totalCount": 150})
    tell(store)  # nobody
    publish(store, ASSET | {"totalCount": 160})
    assert tell(store, channel) == 1
    assert "10 licences of 361285480 arrived" in mailbox.texts()[0]


def test_two_processes_tell_once(store, mailbox):
    """Of two processes that look at the same moment, one tells; of two that send, one sends."""
    channel = only(mailbox, Rule.TOKEN_REFUSED)
    every = Intervals(delta={}, full={}, deep={})
    tell(store, channel)
    store.locations.mark(store.location.id, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    first, second = (Teller(store, every, Telling(channels=[channel]), Metrics()) for _ in range(2))
    found, settle = [], store.alerts.settle

    def together(settled):
        found.append(settled)
        if len(found) == 1:
            second.tell()  # it looks and settles before the first one has
        return settle(settled)

    store.alerts.settle = together
    assert first.tell() == 0
    assert len(store.alerts.last(10)) == 1
    [message] = store.alerts.due(store.now(), 10)
    assert store.alerts.claim(message.id, store.now())
    assert second.send() == 0


def test_an_app_runs_out(store, mailbox):
    """An app of which few licences are left is told once, and when none is left."""
    channel = only(mailbox, Rule.APP_LOW, Rule.APP_OUT)
    assert tell(store, channel) == 0
    publish(store, ASSET | {"assignedCount": 96, "availableCount": 4})
    assert [tell(store, channel) for _ in range(2)] == [1, 0]
    publish(store, ASSET | {"assignedCount": 100, "availableCount": 0})
    assert [tell(store, channel) for _ in range(2)] == [1, 0]
    low, out = mailbox.texts()
    assert "hq: 4 of 100 licences of 361285480 are left." in low
    assert "hq: no licence of 361285480 is left of 100." in out


def test_a_new_channel_is_told_what_stands_once(store, mailbox):
    """The first channel of all is told what stands; nobody is told anything where there is no channel."""
    assert tell(store) == 0
    assert store.alerts.last(10) == []
    store.locations.mark(store.location.id, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    assert tell(store, only(mailbox)) == 0  # of no rule
    assert store.alerts.last(10) == []


def test_a_channel_that_was_removed(store, mailbox):
    """A message to a channel that is there no more is dead, and says why."""
    mailbox.is_open = False
    store.locations.mark(store.location.id, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    tell(store, only(mailbox, Rule.TOKEN_REFUSED))
    store.database._clock.sleep(10)
    tell(store)
    assert [one.error for one in store.alerts.dead()] == ["The channel was removed."]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (
            "Failed to send to https://hooks.slack.com/T0AAAA/B0BBBB/hookOfTeam: 404",
            "Failed to send to https://…/…/…/…: 404",
        ),
        ("user someone, password hunter2secret", "user …, password …"),
        ("Nothing\nelse.", "Nothing else"),
    ],
)
def test_no_secret_of_an_address_is_shown(words, shown):
    """What another library says of a failure is shown without any part of the address."""
    url = "slack://someone:hunter2secret@hooks.slack.com/T0AAAA/B0BBBB/hookOfTeam"
    assert scrub(words, url) == shown
