"""What triggers a sync, as it is remembered: notices, wants, what is due, and who has the round."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from apple.notices import Notice, wanted_by
from apple.resources import RESOURCES
from storage.chores import Chores
from storage.ledger.crawls import LONGEST_REST, rest_after
from storage.ledger.syncs import UNCHANGED_KEPT, Wanted
from storage.notice_secrets import NoticeSecrets, digest_of_secret
from storage.notices import NOTICES_KEPT, Notices
from storage.schema import crawls, locations, notices, syncs
from storage.states import Cause, Trouble
from tests.support.filled_store import make_store

SOON = timedelta(minutes=5)


def notice(number: int, type_: str = "ASSET_COUNT", uid: str = "1") -> Notice:
    """Make a notice."""
    return Notice(uid=uid, id=str(number), type=type_)


@pytest.fixture
def store(database):
    """A store with one location of uId 1."""
    store = make_store(database)
    store.add()
    return store


def due(store, *, later: timedelta = timedelta()) -> list[str]:
    """Return what is due of the location."""
    return [one.resource for one in store.streams.due(store.location.id, datetime.now(UTC) + later)]


def read(store, resource: str) -> None:
    """Open a crawl of a stream that is due again in five minutes, and end it."""
    stream = store.stream(store.location, resource)
    opened = store.open(stream, Wanted(stream=stream, next_due=datetime.now(UTC) + SOON))
    assert store.crawls.end_unchanged(store.crawls.get(opened.crawl_id), "v1")


def read_all(store) -> None:
    """Read every stream."""
    for stream in store.streams.watched(store.location.id):
        read(store, stream.resource)


def test_a_notice_is_kept_once(database):
    """However often a notice comes, in one batch or in several, it is kept once, and counted."""
    kept = Notices(database)
    assert kept.store([notice(1), notice(2), notice(1)]) == 2
    assert kept.store([notice(2), notice(3)]) == 1
    assert kept.store([notice(1, uid="2")]) == 1
    came = {(one.uid, one.notification_id): one.deliveries for one in kept.last(None, 10, unhandled=True, unknown=True)}
    assert came == {("1", "1"): 2, ("1", "2"): 2, ("1", "3"): 1, ("2", "1"): 1}


def test_many_keep_the_same_notices_at_once(database):
    """Receivers that are sent the same notices in different order neither lock up nor keep one twice."""
    kept = Notices(database)
    some = [notice(number) for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        new = sum(pool.map(lambda turn: kept.store(some if turn % 2 else some[::-1]), range(16)))
    assert new == 50
    assert {one.deliveries for one in kept.last(None, 100, unhandled=True, unknown=False)} == {16}


def test_a_notice_wants_its_streams(store, database):
    """A thousand notices want each of their streams once; nothing else is due before its time."""
    read_all(store)
    kept = Notices(database)
    kept.store([notice(number, "ASSET_MANAGEMENT") for number in range(1000)])
    assert due(store) == []
    assert kept.handle(wanted_by) == 1000
    assert kept.handle(wanted_by) == 0
    assert sorted(due(store)) == ["assets", "assignments", "licenses"]
    assert store.streams.is_wanted(store.location.id)
    assert store.streams.claim_due(datetime.now(UTC), 10) == ["1"]


def test_what_comes_while_a_stream_is_read_wants_the_next(store, database):
    """Opening a crawl takes back what was wanted, and nothing that is told from then on."""
    read_all(store)
    kept = Notices(database)
    kept.store([notice(1)])
    kept.handle(wanted_by)
    stream = store.stream(store.location, "assets")
    opened = store.open(stream)
    assert not store.streams.is_wanted(store.location.id)
    kept.store([notice(2)])
    kept.handle(wanted_by)
    assert due(store) == []  # it is being read
    assert store.open(stream).crawl_id == opened.crawl_id  # joining it is not reading it again
    store.crawls.end_unchanged(store.crawls.get(opened.crawl_id), "v1")
    assert due(store) == ["assets"]


@pytest.mark.usefixtures("store")
def test_notices_of_nobody(database):
    """A notice of a location that is not kept wants nothing, and can be found."""
    kept = Notices(database)
    kept.store([notice(1, uid="999"), notice(2, "SOMETHING_NEW"), notice(3, "TEST_NOTIFICATION")])
    assert kept.handle(wanted_by) == 3
    unknown = kept.last(None, 10, unhandled=False, unknown=True)
    assert [(one.uid, one.name, one.wanted) for one in unknown] == [("999", None, None)]
    wanted = {one.type: one.wanted for one in kept.last(["hq"], 10, unhandled=False, unknown=False)}
    assert wanted["TEST_NOTIFICATION"] == []
    assert "subscriptions" in (wanted["SOMETHING_NEW"] or [])
    assert [(one.uid, one.type, one.count, one.unhandled) for one in kept.counts()] == [
        ("1", "SOMETHING_NEW", 1, 0),
        ("1", "TEST_NOTIFICATION", 1, 0),
        ("999", "ASSET_COUNT", 1, 0),
    ]


def test_notices_are_handled_again_when_asked(store, database):
    """Replayed notices want their streams once more."""
    kept = Notices(database)
    kept.store([notice(1), notice(2, "USER_ASSOCIATED"), notice(3, uid="2")])
    kept.handle(wanted_by)
    read_all(store)
    assert kept.replay(["hq"], None, ["2"]) == ["1"]
    assert kept.replay(None, datetime.now(UTC) + SOON, None) == []
    kept.handle(wanted_by)
    assert sorted(due(store)) == ["legacy-users", "users"]


def test_the_clock_wants_what_is_due(store):
    """A new stream is due at once, one that was read when its time has come, and nothing twice."""
    assert len(due(store)) == len(RESOURCES)
    read_all(store)
    assert due(store) == []
    assert len(due(store, later=SOON + timedelta(seconds=1))) == len(RESOURCES)
    assert store.streams.oldest_due(datetime.now(UTC)) is None
    store.locations.remove("hq")
    assert due(store, later=SOON + timedelta(seconds=1)) == []


def test_a_stream_that_fails_rests_alone(store):
    """Each failure lets it rest longer; the others go on, and one good reading ends that."""
    read_all(store)
    for failures in (1, 2, 3):
        stream = store.stream(store.location, "users")
        opened = store.open(stream, too_old=datetime.now(UTC) + SOON)
        begun = datetime.now(UTC)
        store.crawls.fail(store.crawls.get(opened.crawl_id), Cause(reason="Apple is away.", trouble=Trouble.AWAY))
        rests = store.stream(store.location, "users")
        assert rests.failures == failures
        assert timedelta() <= rests.due_at - begun - rest_after(failures) < timedelta(seconds=10)
    assert store.stream(store.location, "assets").failures == 0
    assert rest_after(1) < rest_after(2) < rest_after(50) == LONGEST_REST
    read(store, "users")
    assert store.stream(store.location, "users").failures == 0


def test_a_location_can_be_put_off(store, database):
    """Nothing of it is due before, whatever wanted it."""
    Notices(database).store([notice(1)])
    Notices(database).handle(wanted_by)
    store.streams.postpone(store.location.id, datetime.now(UTC) + SOON)
    assert due(store) == []


def test_one_of_many_has_the_round(database):
    """Of all who claim a round, one has it; the next can be claimed when its time has come."""
    chores = Chores(database)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: chores.claim("tick", SOON), range(16))) == 1
    assert not chores.claim("tick", SOON)
    assert chores.claim("sweep", SOON)
    assert chores.claim("tick", timedelta())
    assert set(chores.last()) == {"tick", "sweep"}


def test_who_is_asked_about_is_claimed(store):
    """Of many who look which token to ask about, one has each."""
    store.add("two", "2")
    with ThreadPoolExecutor(4) as pool:
        claimed = [uid for some in pool.map(lambda _: store.locations.claim_unasked(1), range(8)) for uid in some]
    assert sorted(claimed) == ["1", "2"]
    assert store.locations.claim_unasked(5) == []


@pytest.mark.usefixtures("store")
def test_secrets_are_kept_as_digests(database):
    """A new secret is good beside the old one until it is settled, and none is kept."""
    bearers = NoticeSecrets(database)
    first = bearers.propose("1")
    bearers.settle("1", first, "https://here")
    assert bearers.url("1") == "https://here"
    for _ in range(5):  # however often nobody knows whether Apple took one, what it has confirmed stays good
        bearers.propose("1")
    assert digest_of_secret(first) in bearers.digests()["1"]
    bearers.settle("1", first, "https://here")
    second = bearers.propose("1")
    assert bearers.digests() == {"1": [digest_of_secret(second), digest_of_secret(first)]}
    bearers.withdraw("1", second)
    assert bearers.digests() == {"1": [digest_of_secret(first)]}
    bearers.forget("1")
    assert bearers.digests() == {"1": []}
    assert len(first) > 40
    assert first != second


def test_what_is_old_is_swept(store, database):
    """Old crawls go, but for the last of each stream; so do old notices, and syncs that hold nothing any more."""
    for _ in range(3):
        read(store, "assets")
    stream = store.stream(store.location, "users")
    store.publish(store.read(stream, []))
    Notices(database).store([notice(1)])
    with database.write() as connection:
        for state, age in (("unchanged", UNCHANGED_KEPT), ("published", NOTICES_KEPT / 2)):
            old = datetime.now(UTC) - age - SOON
            connection.execute(sa.update(crawls).where(crawls.c.state == state).values(ended_at=old))
        connection.execute(sa.update(syncs).values(state="ended", ended_at=datetime.now(UTC) - NOTICES_KEPT - SOON))
        connection.execute(sa.update(notices).values(received_at=datetime.now(UTC) - NOTICES_KEPT - SOON))
    store.pages.sweep(timedelta())
    now = datetime.now(UTC)
    assert store.syncs.sweep() is False
    assert Notices(database).sweep(now) == 1
    assert Notices(database).sweep(now) == 0
    with database.read() as connection:
        left = connection.execute(sa.select(crawls.c.state)).scalars().all()
        assert sorted(left) == ["published", "unchanged"]
        assert connection.scalar(sa.select(sa.func.count()).select_from(locations)) == 1
