"""The ledger: crawls as a state machine, and pages that are stored once."""

from datetime import UTC, datetime, timedelta

from storage.ledger.pages import PageFact
from storage.ledger.syncs import Origin, Wanted
from storage.schema import crawls
from storage.states import Cause, CrawlKind, CrawlState, PageOutcome, SyncState, Trouble
from tests.support.filled_store import LONG_AGO, FilledStore


def fact(index: int = 0, *, round_: int = 0, outcome: PageOutcome = PageOutcome.STORED, **more) -> PageFact:
    """Make a fact."""
    return PageFact(index=index, round=round_, outcome=outcome, **more)


def opened(store: FilledStore):
    """Open a crawl of assignments."""
    stream = store.stream(store.add(), "assignments")
    return stream, store.crawls.get(store.open(stream).crawl_id)


def test_stored_once(store: FilledStore):
    """A page that is stored twice in one round is stored once."""
    _, crawl = opened(store)
    assert store.pages.store(crawl.id, fact(version="v1"))
    assert not store.pages.store(crawl.id, fact(version="late"))
    assert store.pages.find(crawl.id, 0).version == "v1"


def test_a_later_round_replaces(store: FilledStore):
    """A re-read replaces what an earlier round stored."""
    _, crawl = opened(store)
    store.pages.store(crawl.id, fact(version="v1"))
    assert store.pages.store(crawl.id, fact(version="v2", round_=1))
    assert store.pages.find(crawl.id, 0).version == "v2"


def test_a_late_duplicate_undoes_nothing(store: FilledStore):
    """What an earlier round brings late never undoes a re-read."""
    _, crawl = opened(store)
    store.pages.store(crawl.id, fact(version="v2", round_=2))
    assert not store.pages.store(crawl.id, fact(version="v1", round_=1))
    assert store.pages.find(crawl.id, 0).version == "v2"


def test_an_attempt_becomes_a_page(store: FilledStore):
    """What was tried in vain is replaced by the page, in the same round."""
    _, crawl = opened(store)
    store.pages.store(crawl.id, fact(outcome=PageOutcome.TRYING, attempts=2))
    assert store.pages.store(crawl.id, fact(version="v1"))
    assert store.pages.find(crawl.id, 0).outcome is PageOutcome.STORED


def test_a_round_begins_once(store: FilledStore):
    """Of two that saw the same round, one begins the next."""
    _, crawl = opened(store)
    assert store.crawls.begin_round(crawl)
    assert not store.crawls.begin_round(crawl)


def test_settled_once(store: FilledStore):
    """Of two that decide to settle, one does."""
    _, crawl = opened(store)
    assert store.crawls.settle(crawl, is_consistent=True, version="v1", total=1)
    assert not store.crawls.settle(crawl, is_consistent=False, version="v2", total=1)
    assert store.crawls.get(crawl.id).is_consistent


def test_the_base_version_never_moves(store: FilledStore):
    """The version of the first answer stays, whatever a re-read shows."""
    _, crawl = opened(store)
    for version in ("v1", "v2"):
        store.crawls.note_first(crawl, version, 3)
    after = store.crawls.get(crawl.id)
    assert (after.base_version, after.version) == ("v1", "v2")


def test_a_first_answer_that_comes_late(store: FilledStore):
    """A first page that is stored after its crawl has moved on changes nothing of what was decided meanwhile."""
    _, crawl = opened(store)
    seen = store.crawls.note_first(crawl, "v1", 1)
    settled = store.crawls.settle(seen, is_consistent=True, version="v1", total=1)
    assert store.crawls.note_first(seen, "v2", 7) is None
    assert store.crawls.get(crawl.id) == settled


def test_one_open_crawl_a_stream(store: FilledStore):
    """A second sync takes the unfinished crawl over."""
    stream, crawl = opened(store)
    again = store.open(stream)
    assert (again.crawl_id, again.origin) == (crawl.id, Origin.FOUND)


def test_a_second_sync_may_force(store: FilledStore):
    """A crawl that is taken over reads everything if the second sync must."""
    stream, crawl = opened(store)
    store.open(stream, forced_by="asked for")
    assert store.crawls.get(crawl.id).forced_by == "asked for"


def test_a_crawl_from_long_ago_is_given_up(store: FilledStore):
    """An unfinished crawl that is too old makes way for a new one."""
    stream, crawl = opened(store)
    again = store.open(stream, too_old=datetime.now(UTC) + timedelta(seconds=1))
    assert again.origin is Origin.NEW
    assert store.crawls.get(crawl.id).state is CrawlState.FAILED


def test_a_crawl_that_moves_is_not_given_up(store: FilledStore):
    """However long ago a crawl was opened: one that stores pages is not too old."""
    stream, crawl = opened(store)
    with store.database.write() as connection:
        connection.execute(crawls.update().values(opened_at=LONG_AGO, moved_at=LONG_AGO))
    store.pages.store(crawl.id, fact())
    again = store.open(stream, too_old=datetime.now(UTC) - timedelta(minutes=5))
    assert (again.crawl_id, again.origin) == (crawl.id, Origin.FOUND)


def test_what_was_asked_for_is_not_skipped(store: FilledStore):
    """Where somebody asks for everything meanwhile, a crawl does not end as unchanged, and a delta is not all."""
    stream, crawl = opened(store)
    store.open(stream, forced_by="asked for")
    assert not store.crawls.end_unchanged(crawl, "v1")
    store.crawls.fail(crawl, Cause(reason="A bug.", trouble=Trouble.BUG))
    store.open(stream, Wanted(stream=stream, kind=CrawlKind.DELTA, since="v0"))
    store.open(stream, forced_by="asked for")
    assert store.streams.get(stream.id).full_wanted == "asked for"


def test_a_failure_is_reported(store: FilledStore):
    """A crawl that fails leaves its reason with the stream, and can be followed by another."""
    stream, crawl = opened(store)
    assert store.crawls.fail(crawl, Cause(reason="Apple could not be reached.", trouble=Trouble.AWAY))
    assert store.streams.get(stream.id).problem == "Apple could not be reached."
    assert store.open(stream).origin is Origin.NEW


def test_an_ended_crawl_stays_ended(store: FilledStore):
    """Nothing leads out of a state that is final."""
    _, crawl = opened(store)
    store.crawls.end_unchanged(crawl, "v1")
    assert not store.crawls.fail(crawl, Cause(reason="late", trouble=Trouble.AWAY))
    assert not store.crawls.settle(crawl, is_consistent=True, version="v1", total=1)
    assert not store.crawls.begin_round(crawl)


def test_a_sync_ends_with_its_last_crawl(store: FilledStore):
    """A sync is open as long as one of its crawls is."""
    _, crawl = opened(store)
    assert not store.syncs.end(store.syncs.get(crawl.sync_id))
    store.crawls.end_unchanged(crawl, "v1")
    assert store.syncs.end(store.syncs.get(crawl.sync_id))
    assert store.syncs.get(crawl.sync_id).state is SyncState.ENDED


def test_only_one_sees_a_sync_on(store: FilledStore):
    """Of several who decide to read more, or to hand over, exactly one does; one who joins keeps a sync from ending."""
    stream, crawl = opened(store)
    sync = store.syncs.get(crawl.sync_id)
    assert not store.syncs.hand_over(sync, [stream.resource])
    store.crawls.end_unchanged(crawl, "v1")
    assert [store.syncs.hand_over(sync, [stream.resource]) for _ in range(2)] == [True, False]
    assert len(store.syncs.go_on(sync, [Wanted(stream=stream)])) == 1
    assert store.syncs.go_on(sync, [Wanted(stream=stream)]) == []
    assert not store.syncs.end(sync)


def test_a_failed_crawl_is_gone_on_from(store: FilledStore):
    """What was read of a crawl that failed for a while is not read again; what was not, is tried anew."""
    stream, crawl = opened(store)
    store.pages.store(crawl.id, fact())
    store.pages.store(crawl.id, fact(index=1, outcome=PageOutcome.FAILED, attempts=5))
    store.crawls.fail(crawl, Cause(reason="Apple could not be reached.", trouble=Trouble.AWAY))
    again = store.open(stream)
    assert (again.crawl_id, again.origin) == (crawl.id, Origin.REOPENED)
    assert [page.index for page in store.pages.facts(crawl.id)] == [0]
    store.crawls.fail(store.crawls.get(crawl.id), Cause(reason="A bug.", trouble=Trouble.BUG))
    assert store.open(stream).origin is Origin.NEW


def test_a_sync_does_not_open_its_own_failures_again(store: FilledStore):
    """What a sync reads besides what it set out to is read anew: a crawl that failed could fail for ever."""
    stream, crawl = opened(store)
    store.pages.store(crawl.id, fact())
    store.crawls.fail(crawl, Cause(reason="Apple could not be reached.", trouble=Trouble.AWAY))
    [again] = store.syncs.go_on(store.syncs.get(crawl.sync_id), [Wanted(stream=stream)])
    assert again.origin is Origin.NEW


def test_a_restart_forgets_what_was_read(store: FilledStore):
    """Pages of an earlier start no longer count, and a delta becomes a full crawl."""
    stream = store.stream(store.add(), "assignments")
    crawl = store.crawls.get(store.open(stream, Wanted(stream=stream, kind=CrawlKind.DELTA, since="v0")).crawl_id)
    store.pages.store(crawl.id, fact())
    assert store.crawls.restart(crawl, is_drift=False)
    assert not store.crawls.restart(crawl, is_drift=False)
    again = store.crawls.get(crawl.id)
    assert (again.kind, again.since, again.restarts) == (CrawlKind.FULL, None, 1)
    assert store.pages.facts(crawl.id, again.floor) == []


def test_a_version_that_is_dead_is_forgotten(store: FilledStore):
    """If Apple no longer knows the version that a delta began at, the next delta does not begin at it either."""
    stream = store.stream(store.add(), "assignments")
    store.publish(store.read(stream, [{"adamId": "1", "pricingParam": "STDQ", "serialNumber": "S"}]))
    crawl = store.crawls.get(store.open(stream, Wanted(stream=stream, kind=CrawlKind.DELTA, since="v1")).crawl_id)
    assert store.crawls.restart(crawl, is_drift=True)
    assert store.streams.get(stream.id).version == "v1"
    assert store.crawls.restart(store.crawls.get(crawl.id), is_drift=False)
    assert store.streams.get(stream.id).version is None


def test_old_pages_are_swept(store: FilledStore):
    """The pages of an ended crawl go after their time; those of an open one stay."""
    stream, crawl = opened(store)
    store.pages.store(crawl.id, fact())
    store.pages.sweep(timedelta(0))
    store.crawls.end_unchanged(crawl, "v1")
    store.pages.sweep(timedelta(days=1))
    assert len(store.pages.facts(crawl.id)) == 1
    assert store.pages.sweep(timedelta(seconds=-1)) is False
    assert store.pages.facts(crawl.id) == []
    assert store.open(stream).origin is Origin.NEW
