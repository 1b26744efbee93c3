"""The stream as it stands after a publish."""

from datetime import timedelta

from storage.mirror.outcome import HELD_REST, Changes, Findings, stream_after
from storage.states import CrawlKind, Reason
from tests.support.examples import HOUR, NOW, make_crawl, make_stream


def found(**more) -> Findings:
    """Make the findings of a publish that changed nothing."""
    return Findings(**{"is_consistent": True, "changes": Changes(), "records": 100} | more)


def test_a_consistent_full_crawl():
    """It moves both versions, and ends what was wanted."""
    after = stream_after(make_crawl(), make_stream(full_wanted=Reason.TORN, torn_fulls=3), found(), NOW)
    assert (after.version, after.complete_version, after.full_at) == ("v2", "v2", NOW)
    assert (after.full_wanted, after.torn_fulls, after.seen_at) == (None, 0, NOW)


def test_held_deletes_keep_the_complete_version():
    """Inserts and updates are published, but the short cut must not skip the deletes that are held."""
    after = stream_after(make_crawl(), make_stream(), found(held=9, digest="d"), NOW)
    assert (after.version, after.complete_version, after.seen_at) == ("v2", None, None)
    assert (after.full_wanted, after.held_deletes, after.held_digest) == (Reason.HELD, 9, "d")
    assert after.due_at == NOW + HELD_REST


def test_torn_crawls_back_off():
    """Full crawls wait longer each time, and the next delta begins where the last one ended.

    What a torn crawl missed was there before it began: a delta from its own begin would not show it.
    """
    torn = found(is_consistent=False)
    crawl = make_crawl(is_consistent=False, base_version="v1.5")
    after = stream_after(crawl, make_stream(), torn, NOW)
    assert (after.version, after.full_wanted) == ("v1", Reason.TORN)
    assert stream_after(crawl, make_stream(version=None), torn, NOW).version == "v1.5"
    waits = [stream_after(make_crawl(), make_stream(torn_fulls=torns), torn, NOW).full_after for torns in range(12)]
    assert waits[0] == NOW
    assert waits == sorted(one for one in waits if one is not None)
    assert waits[-1] == NOW + 6 * HOUR


def test_a_delta_moves_the_version():
    """A consistent delta moves the base; one without a version, or torn, keeps it."""
    delta = make_crawl(kind=CrawlKind.DELTA)
    after = stream_after(delta, make_stream(), found(), NOW)
    assert (after.version, after.seen_at) == ("v2", NOW)
    assert stream_after(make_crawl(kind=CrawlKind.DELTA, version=None), make_stream(), found(), NOW).version == "v1"
    torn = stream_after(delta, make_stream(), found(is_consistent=False), NOW)
    assert (torn.version, torn.seen_at) == ("v1", None)
    assert stream_after(delta, make_stream(), found(retired=1), NOW).full_wanted is Reason.RETIRED


def test_what_changed_is_counted():
    """Records are what the mirror holds, and counts are compared once after each publish that changed it."""
    changes = Changes(inserted=2, deleted=1)
    after = stream_after(make_crawl(), make_stream(problem="x", failures=2), found(changes=changes, records=101), NOW)
    assert (after.records, after.moves, after.problem, after.failures) == (101, 1, None, 0)
    assert stream_after(make_crawl(), make_stream(moves=5), found(), NOW).moves == 5


def test_held_deletes_rest_longer_each_time():
    """Deletes that no second crawl confirms are looked at again later and later, within a limit."""
    since = NOW - timedelta(minutes=8)
    after = stream_after(make_crawl(), make_stream(held_at=since), found(held=9, digest="d"), NOW)
    assert after.due_at == NOW + timedelta(minutes=16)
    old = stream_after(make_crawl(), make_stream(held_at=NOW - HOUR), found(held=9, digest="d"), NOW)
    assert old.due_at == NOW + timedelta(minutes=20)
