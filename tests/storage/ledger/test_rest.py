"""What rests, whatever wants it, and what ends a rest; and that those who change the same things do not lock up."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa

from apple.notices import Notice, wanted_by
from orchestration.decisions import choice
from orchestration.decisions.timetable import Timetable
from storage.chores import Chores
from storage.database import Database
from storage.errors import DatabaseAway
from storage.ledger.streams import lock_stream
from storage.ledger.syncs import Wanted
from storage.mirror.hold import Verdict
from storage.mirror.outcome import HELD_REST, LONGEST_HELD_REST
from storage.notices import Notices
from storage.schema import chores, locations, streams
from storage.states import Cause, Reason, Trouble
from tests.support.filled_store import LONG_AGO, make_store, make_token

DAY = timedelta(days=1)


@pytest.fixture
def store(database):
    """A store with one location of uId 1."""
    store = make_store(database)
    store.add()
    return store


def fail(store, resource: str) -> None:
    """Open a crawl, and fail it."""
    stream = store.stream(store.location, resource)
    opened = store.open(
        stream, Wanted(stream=stream, next_due=datetime.now(UTC) + DAY), too_old=datetime.now(UTC) + DAY
    )
    store.crawls.fail(store.crawls.get(opened.crawl_id), Cause(reason="Apple is away.", trouble=Trouble.AWAY))


def tell(store, database, number: int = 1) -> list[str]:
    """Have a notice want the assets, and return what is due."""
    Notices(database).store([Notice(uid="1", id=str(number), type="ASSET_COUNT")])
    Notices(database).handle(wanted_by)
    return [one.resource for one in store.streams.due(store.location.id, datetime.now(UTC))]


def test_notices_do_not_wake_what_rests(store, database):
    """A stream that fails is not asked for again because of a notice; the notice is remembered."""
    for stream in store.streams.watched(store.location.id):
        fail(store, stream.resource)
    assert tell(store, database) == []
    assert store.streams.is_wanted(store.location.id)
    later = datetime.now(UTC) + DAY
    assert "assets" in [one.resource for one in store.streams.due(store.location.id, later)]


def test_a_person_ends_a_rest(store, database):
    """After a new token, or an acceptance, everything is due at once."""
    for act in (
        lambda: store.locations.rotate("hq", make_token("bmV3")),
        lambda: store.locations.disown(store.location.id),
    ):
        for _ in range(5):
            fail(store, "assets")
        assert store.stream(store.location, "assets").failures == 5
        act()
        assert store.stream(store.location, "assets").failures == 0
        assert "assets" in tell(store, database)


def test_putting_off_never_brings_forward(store):
    """What rests for longer goes on to."""
    fail(store, "assets")
    far = datetime.now(UTC) + DAY
    store.streams.postpone(store.location.id, far)
    store.streams.postpone(store.location.id, datetime.now(UTC))
    assert store.stream(store.location, "assets").due_at == far


def test_held_deletes_wait_for_the_clock(store, database):
    """A notice right after does not confirm them; the scheduler has them looked at soon, and then ever less often."""
    stream = store.stream(store.location, "assets")
    records = [{"adamId": str(number), "pricingParam": "STDQ"} for number in range(40)]
    store.publish(store.read(stream, records))
    rests = []
    for turn in range(3):
        stream = store.stream(store.location, "assets")
        crawl = store.read(stream, [], version=f"empty{turn}", wanted=Wanted(stream=stream))
        assert store.publish(crawl, lambda *_: Verdict(may_delete=False, digest="x")).held == 40
        held = store.stream(store.location, "assets")
        rests.append(held.due_at - held.held_at)
        with database.write() as connection:  # some time goes by
            earlier = held.held_at - rests[-1]
            connection.execute(sa.update(streams).where(streams.c.id == held.id).values(held_at=earlier))
    assert "assets" not in tell(store, database)
    assert rests[0] == HELD_REST
    assert HELD_REST < rests[1] < rests[2] <= LONGEST_HELD_REST


def test_a_torn_stream_waits_though_it_is_due(store):
    """While a full reading has to wait, what changed is read, however long ago everything was."""
    stream = store.stream(store.location, "users")
    now = datetime.now(UTC)
    torn = {"version": "v1", "full_wanted": Reason.TORN, "full_at": now - 3 * DAY, "deep_at": now - 30 * DAY}
    waiting = type(stream)(**{**vars(stream), **torn, "full_after": now + DAY})
    assert choice.choose(waiting, Timetable(uid="1"), now, full=False).since == "v1"
    over = type(stream)(**{**vars(stream), **torn, "full_after": now - DAY})
    assert choice.choose(over, Timetable(uid="1"), now, full=False).forced_by == Reason.TORN


def test_what_was_sent_for_is_not_sent_for_again(store):
    """Of many that are due, each has its turn: one that was sent for waits, until that seems lost."""
    store.add("two", "2")
    now = datetime.now(UTC)
    first = store.streams.claim_due(now, 1)
    second = store.streams.claim_due(now, 1)
    assert sorted(first + second) == ["1", "2"]
    assert store.streams.claim_due(now, 5) == []
    assert store.streams.claim_due(now + timedelta(minutes=1), 5) == ["1", "2"]


def test_what_could_not_be_sent_is_due_at_once(store):
    """A claim that is given up holds up nobody."""
    now = datetime.now(UTC)
    assert store.streams.claim_due(now, 5) == ["1"]
    store.streams.release(["1"])
    assert store.streams.claim_due(now, 5) == ["1"]


def test_a_sync_that_is_being_opened_is_not_sent_for(copied_database):
    """A location whose sync is just being opened is left out: nothing would take the note back that it was sent."""
    database = Database(copied_database)
    store = make_store(database)
    location = store.add()
    with database.write() as opening:
        opening.execute(sa.update(locations).where(locations.c.id == location.id).values(sent_at=None))
        assert store.streams.claim_due(store.now(), 5) == []
    assert store.streams.claim_due(store.now(), 5) == [location.uid]
    database.close()


def test_a_sync_that_begins_before_the_claim_is_not_sent_for(copied_database):
    """A sync that begins between the look at what is due and the claim leaves no note that would hold up the next."""
    database = Database(copied_database)
    store = make_store(database)
    location = store.add()

    def begin(_connection, _cursor, statement, *_) -> None:
        if "SKIP LOCKED" in statement:
            wanted = [Wanted(stream=one) for one in store.streams.watched(location.id)]
            store.syncs.open(location.id, wanted, LONG_AGO)

    sa.event.listen(database.engine, "before_cursor_execute", begin)
    assert store.streams.claim_due(store.now(), 5) == []
    with database.once() as connection:
        assert connection.scalar(sa.select(locations.c.sent_at)) is None
    database.close()


def test_two_schedulers_claim_a_location_once(copied_database):
    """Of two that look at the same moment, one claims the location, and the other leaves it."""
    database, other = Database(copied_database), Database(copied_database)
    location = make_store(database).add()
    theirs: list[str] = []

    def claim(_connection, _cursor, statement, *_) -> None:
        if "SKIP LOCKED" in statement:
            theirs.extend(make_store(other).streams.claim_due(database.now(), 5))

    sa.event.listen(database.engine, "before_cursor_execute", claim)
    assert make_store(database).streams.claim_due(database.now(), 5) == []
    assert theirs == [location.uid]
    database.close()
    other.close()


def test_a_wrong_clock_holds_nobody_up(database):
    """A round that was claimed in the far future can be claimed all the same."""
    some = Chores(database)
    assert some.claim("tick", timedelta(seconds=3))
    with database.write() as connection:
        connection.execute(sa.update(chores).values(at=datetime.now(UTC) + 30 * DAY))
    assert some.claim("tick", timedelta(seconds=3))
    assert not some.claim("tick", timedelta(seconds=3))


def test_a_long_publish_holds_up_no_notice(copied_database):
    """While a stream is locked, notices of it and of others are handled and kept."""
    database = Database(copied_database)
    store = make_store(database)
    stream = store.stream(store.add(), "assets")
    locked, done = threading.Event(), threading.Event()

    def publish() -> None:
        with database.write() as connection:
            lock_stream(connection, stream.id)
            locked.set()
            done.wait(10)

    with ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(publish)
        locked.wait(5)
        begun = time.monotonic()
        assert "assets" in tell(store, database)
        Notices(database).store([Notice(uid="2", id="1", type="ASSET_COUNT")])
        assert not publishing.done()
        assert time.monotonic() - begun < 5
        done.set()
        publishing.result()
    database.close()


#: So often each of those that might lock each other out has its turn.
TURNS = 15


def test_nobody_locks_up(copied_database):
    """Opening, putting off, watching and handling notices of one location, all at once, never wait for each other."""
    database = Database(copied_database)
    store = make_store(database)
    location = store.add()
    watched = store.streams.watched(location.id)
    names = [stream.resource for stream in watched]

    def work(act) -> int:
        for count in range(TURNS):
            act(count)
        return TURNS

    def open_all(_count) -> None:
        some = [Wanted(stream=stream, next_due=datetime.now(UTC)) for stream in reversed(watched)]
        for opened in store.syncs.open(location.id, some, LONG_AGO)[1]:
            store.crawls.fail(store.crawls.get(opened.crawl_id), Cause(reason="x", trouble=Trouble.AWAY))

    def handle(count) -> None:
        Notices(database).store([Notice(uid="1", id=f"{threading.get_ident()}-{count}", type="USER_MANAGEMENT")])
        Notices(database).handle(wanted_by)

    acts = [
        open_all,
        handle,
        lambda _: store.streams.postpone(location.id, datetime.now(UTC)),
        lambda count: store.locations.watch("hq", names if count % 2 else names[::-1]),
        lambda count: store.locations.rotate("hq", make_token(f"c2VjcmV0{count:04d}")),
        lambda _: store.locations.disown(location.id),
    ]
    with ThreadPoolExecutor(len(acts)) as pool:
        counts = list(pool.map(work, acts))  # a deadlock is a DatabaseAway here
    assert counts == [TURNS] * len(acts)
    database.close()


def test_a_database_that_only_reads_is_away(copied_database):
    """One that was made read-only, as in a failover, is away, and what was to be stored is in no error."""
    name = copied_database.rsplit("/", 1)[1]
    with psycopg.connect(copied_database, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    database = Database(copied_database)
    with pytest.raises(DatabaseAway) as caught:
        Notices(database).store([Notice(uid="1", id="1", type="T", body='{"email": "jane@example.com"}')])
    assert "jane" not in repr(caught.value.__cause__)
    database.close()


def test_what_a_notice_wanted_is_due_after_a_rest(store, database):
    """A location that rests forgets no notice: what it wanted is due when the rest is over, not with the next day."""
    now = datetime.now(UTC)
    with database.write() as connection:
        connection.execute(sa.update(streams).values(due_at=now + DAY))
    assert tell(store, database) == ["assets"]
    store.streams.postpone(store.location.id, now + timedelta(minutes=10))
    assert store.streams.due(store.location.id, now + timedelta(minutes=5)) == []
    assert [one.resource for one in store.streams.due(store.location.id, now + timedelta(minutes=11))] == ["assets"]


def test_what_a_wrong_clock_left_is_mended(store, database):
    """Streams that were read, it seems, in the future are read again at once, and not when that future has come."""
    ahead = database.now() + timedelta(hours=9)
    values = dict.fromkeys(("begun_at", "seen_at", "full_at", "due_at"), ahead)
    with database.write() as connection:
        connection.execute(sa.update(streams).where(streams.c.resource == "assets").values(values))
        connection.execute(sa.update(streams).where(streams.c.resource != "assets").values(due_at=ahead))
    assert store.streams.due(store.location.id, database.now()) == []
    assert store.streams.mend_future(database.now()) == 1
    assert [one.resource for one in store.streams.due(store.location.id, database.now())] == ["assets"]
    assert store.stream(store.location, "assets").seen_at is None
    assert store.streams.mend_future(database.now()) == 0


def test_retired_users_that_were_there_already(store):
    """A list of changes that holds what the last whole reading held wants no other one."""
    rows = [{"clientUserId": "u1", "status": "Retired"}, {"clientUserId": "u2", "status": "Registered"}]
    store.publish(store.read(store.stream(store.location, "users"), rows))
    stream = store.stream(store.location, "users")
    store.publish(store.read(stream, rows[:1], wanted=choice.delta(stream)))
    assert store.stream(store.location, "users").full_wanted is None
    store.publish(store.read(stream, rows[:1], version="v2", wanted=choice.delta(stream)))
    assert store.stream(store.location, "users").full_wanted == Reason.RETIRED
