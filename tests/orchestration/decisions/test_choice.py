"""What is read of a stream: everything or what changed, some assets alone, and how that is told."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestration.decisions import choice, health, spot
from orchestration.decisions.freshness import judge_streams
from orchestration.decisions.model import CrawlFacts, Fail, Fetch, Settle
from orchestration.decisions.timetable import Intervals, Timetable
from storage.ledger.crawls import PAGES_A_SCOPE, Crawl, Scope
from storage.ledger.pages import PageFact
from storage.ledger.streams import Stream
from storage.locations import Location
from storage.mirror.counts import Disagreement, Look
from storage.mirror.outcome import Reading as Found
from storage.mirror.outcome import Reason, ending
from storage.schema import CrawlKind, CrawlState, LocationState, PageOutcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def stream(**more) -> Stream:
    """Make a stream in step."""
    values = {
        "resource": "assignments",
        "version": "v1",
        "records": 100,
        "torn_fulls": 0,
        "failures": 0,
        "full_at": NOW - HOUR,
    }
    return Stream(**dict.fromkeys(Stream.__dataclass_fields__) | values | more)


def crawl(**more) -> Crawl:
    """Make a published crawl."""
    values = {"resource": "assignments", "kind": CrawlKind.FULL, "state": CrawlState.PUBLISHED, "is_consistent": True}
    values |= {"scopes": (), "version": "v2", "base_version": "v1", "opened_at": NOW, "moved_at": NOW}
    return Crawl(**dict.fromkeys(Crawl.__dataclass_fields__) | values | more)


@pytest.mark.parametrize(
    ("given", "kind", "forced_by"),
    [
        (stream(), CrawlKind.DELTA, None),
        (stream(resource="assets"), CrawlKind.FULL, None),
        (stream(version=None), CrawlKind.FULL, None),
        (stream(full_at=NOW - 25 * HOUR), CrawlKind.FULL, None),
        (stream(full_wanted="torn"), CrawlKind.FULL, "torn"),
        (stream(full_wanted="torn", full_after=NOW + HOUR), CrawlKind.DELTA, None),
        (stream(full_wanted="torn", full_after=NOW - HOUR), CrawlKind.FULL, "torn"),
    ],
)
def test_how_much_is_read(given, kind, forced_by):
    """What changed, where Apple tells; everything at times, and where something wants it."""
    wanted = choice.choose(given, Timetable(uid="1"), NOW, full=False)
    assert (wanted.kind, wanted.forced_by) == (kind, forced_by)
    assert wanted.since == ("v1" if kind is CrawlKind.DELTA else None)


def test_everything_is_read_as_often_as_somebody_says():
    """The interval of full crawls is each resource's own, and each stream's before that."""
    intervals = Intervals(delta={}, full={"assignments": timedelta(minutes=30)}, deep={})

    def kind(given):
        return choice.choose(given, intervals.of("1", given), NOW, full=False).kind

    assert kind(stream()) is CrawlKind.FULL
    assert kind(stream(resource="users")) is CrawlKind.DELTA
    assert kind(stream(full_seconds=10 * 3600)) is CrawlKind.DELTA


def test_what_somebody_asked_for_and_what_is_due():
    """A full reading takes no short cut where somebody asked for it, and where none was made for a week."""
    assert choice.choose(stream(), Timetable(uid="1"), NOW, full=True).forced_by == Reason.ASKED
    deep = choice.choose(stream(deep_at=NOW - timedelta(days=7)), Timetable(uid="1"), NOW, full=False)
    assert (deep.kind, deep.forced_by) == (CrawlKind.FULL, Reason.DEEP)


@pytest.mark.parametrize(
    ("given", "last", "kind"),
    [
        (stream(), crawl(), None),
        (stream(), crawl(is_consistent=False), CrawlKind.DELTA),
        (stream(resource="assets"), crawl(is_consistent=False), None),
        (stream(), crawl(kind=CrawlKind.DELTA), None),
        (stream(full_wanted=Reason.RETIRED), crawl(kind=CrawlKind.DELTA), CrawlKind.FULL),
        (stream(full_wanted=Reason.ASKED), crawl(kind=CrawlKind.DELTA, state=CrawlState.UNCHANGED), CrawlKind.FULL),
        (stream(full_wanted=Reason.RETIRED), crawl(kind=CrawlKind.DELTA, state=CrawlState.FAILED), None),
        (stream(full_wanted=Reason.HELD), crawl(), None),
    ],
)
def test_what_is_read_further(given, last, kind):
    """A torn reading is caught up with, and what only a full reading can tell is read in full."""
    wanted = choice.further(given, [last])
    assert (wanted.kind if wanted else None) is kind


def found(**more) -> Found:
    """Make what a publish found."""
    return Found(**{"is_sound": True, "held": 0, "digest": None, "retired": 0} | more)


def test_a_full_reading_of_one_moment():
    """It moves both versions, and forgets what was wanted."""
    after = ending(crawl(), stream(full_wanted="torn", torn_fulls=3), found(), NOW)
    assert (after["version"], after["complete_version"], after["full_at"]) == ("v2", "v2", NOW)
    assert (after["full_wanted"], after["torn_fulls"]) == (None, 0)


def test_held_deletes_keep_the_complete_version():
    """Inserts and updates are published; the short cut must not skip the deletes that are held."""
    after = ending(crawl(), stream(), found(held=9, digest="d"), NOW)
    assert "complete_version" not in after
    assert (after["version"], after["full_wanted"], after["held_deletes"]) == ("v2", Reason.HELD, 9)


def test_torn_readings_back_off():
    """The next delta begins where the torn reading did; a full one follows at once, then ever later."""
    after = ending(crawl(is_consistent=False), stream(), found(is_sound=False), NOW)
    assert (after["version"], after["full_wanted"], after["full_after"]) == ("v1", Reason.TORN, NOW)
    waits = [ending(crawl(), stream(torn_fulls=torn), found(is_sound=False), NOW)["full_after"] for torn in range(12)]
    assert waits == sorted(waits)
    assert waits[-1] - NOW == timedelta(hours=6)


def test_a_delta_moves_the_version():
    """One of one moment moves the base, one without a version or of several moments keeps it."""
    delta = crawl(kind=CrawlKind.DELTA)
    seen = {"failures": 0, "seen_at": NOW}
    assert ending(delta, stream(), found(), NOW) == seen | {"version": "v2"}
    assert ending(crawl(kind=CrawlKind.DELTA, version=None), stream(), found(), NOW) == seen | {"version": "v1"}
    assert ending(delta, stream(), found(is_sound=False), NOW) == {}
    assert ending(delta, stream(), found(retired=1), NOW)["full_wanted"] == Reason.RETIRED


def differs(*, counted=12, listed=10, attempts=0, last=(12, 10), again=NOW + HOUR) -> Disagreement:
    """Make a disagreement, looked into so often."""
    look = Look(counted=last[0], listed=last[1], attempts=attempts, again_at=again) if attempts else None
    return Disagreement(adam_id="1", pricing_param="STDQ", counted=counted, listed=listed, last=look)


@pytest.mark.parametrize(
    ("one", "is_due"),
    [
        (differs(), True),
        (differs(attempts=1), False),
        (differs(attempts=1, counted=15, listed=13), False),
        (differs(attempts=1, listed=11), True),
        (differs(attempts=1, again=NOW), True),
        (differs(attempts=spot.EAGER_LIMIT, listed=11), False),
        (differs(attempts=spot.EAGER_LIMIT, listed=11, again=NOW), True),
    ],
)
def test_disagreements_back_off(one, is_due):
    """What did not agree is looked into again when it is off by another number, or later and later."""
    due = spot.due([one], NOW)
    assert bool(due) is is_due
    if due:
        assert due[0].last.again_at <= NOW  # due until it was looked into


@pytest.mark.parametrize(
    ("count", "pages", "records", "is_full"),
    [(1, 40, 2000, False), (19, 40, 2000, False), (40, 40, 2000, True), (5, 1, 30, True), (501, 9999, 99999, True)],
)
def test_when_everything_costs_less(count, pages, records, is_full):
    """Assets are read alone as long as that takes fewer pages than reading all."""
    assert spot.is_full_cheaper([differs() for _ in range(count)], pages, records) is is_full


def test_counts_that_are_old():
    """Counts from before the assignments were read are read again first, once a sync."""
    assets = crawl(resource="assets", opened_at=NOW - HOUR)
    assert spot.are_counts_old([crawl()])
    assert spot.are_counts_old([assets, crawl()])
    assert not spot.are_counts_old([assets, crawl(), crawl(resource="assets")])
    assert not spot.are_counts_old([crawl(moved_at=NOW - 2 * HOUR), assets])


def test_what_came_after_a_look():
    """Only what was read since the last look calls for another."""
    first, spot, later = crawl(id=1), crawl(id=2, kind=CrawlKind.SPOT), crawl(id=3)
    assert spot.since_last_look([first]) == (None, [first])
    assert spot.since_last_look([first, spot]) == (spot, [])
    assert spot.since_last_look([first, spot, later]) == (spot, [later])


def page(index, *, total=1, version="v1") -> PageFact:
    """Make a page of a spot."""
    following = index % PAGES_A_SCOPE + 1
    return PageFact(
        index=index,
        round=1,
        outcome=PageOutcome.STORED,
        version=version,
        total=total,
        next_index=following if following < total else None,
        size=2,
        records=2,
    )


def test_a_spot_is_many_lists():
    """Each asset is a list of its own, and only one whose own pages are of one moment tells what is gone."""
    scopes = tuple(Scope(adam_id=str(number), pricing_param="STDQ") for number in range(3))
    second, third = PAGES_A_SCOPE, 2 * PAGES_A_SCOPE
    reading = CrawlFacts(round=1, rereads=0, pages=[page(0), page(second, total=2)], scopes=scopes)
    assert spot.reconcile_spot(reading) == Fetch(indexes=(second + 1, third))
    whole = [page(0), page(second, total=2), page(second + 1, total=2), page(third, version="other")]
    settled = spot.reconcile_spot(CrawlFacts(round=1, rereads=0, pages=whole, scopes=scopes))
    assert isinstance(settled, Settle)
    assert [(scope.is_consistent, scope.total) for scope in settled.scopes] == [(True, 1), (True, 2), (True, 1)]
    torn = [page(0), page(second, total=2), page(second + 1, total=2, version="other"), page(third)]
    settled = spot.reconcile_spot(CrawlFacts(round=1, rereads=3, pages=torn, scopes=scopes))
    assert [scope.is_consistent for scope in settled.scopes] == [True, False, True]


def test_an_asset_that_cannot_be_read():
    """One of several costs nothing but itself, all of them the spot; none at all may be Apple's way to say no page."""
    scopes = (Scope(adam_id="1", pricing_param="STDQ", counted=3), Scope(adam_id="2", pricing_param="STDQ", counted=0))
    failed = PageFact(index=0, round=1, outcome=PageOutcome.FAILED, reason="Apple is away.")
    beyond = PageFact(index=PAGES_A_SCOPE, round=1, outcome=PageOutcome.BEYOND, attempts=3)
    settled = spot.reconcile_spot(CrawlFacts(round=1, rereads=0, pages=[failed, beyond], scopes=scopes))
    assert [(scope.is_consistent, scope.total) for scope in settled.scopes] == [(False, 0), (True, 0)]
    assert spot.reconcile_spot(CrawlFacts(round=1, rereads=0, pages=[failed], scopes=scopes[:1])) == Fail(
        reason="Apple is away."
    )


def location(**more) -> Location:
    """Make a location."""
    values = {"name": "hq", "uid": "1", "state": LocationState.VALID, "token_expires": NOW + timedelta(days=100)}
    values |= {"added_at": NOW}
    return Location(**dict.fromkeys(Location.__dataclass_fields__) | values | more)


@pytest.mark.parametrize(
    ("given", "state", "words"),
    [
        (location(), "valid", ""),
        (location(token_expires=NOW + timedelta(days=20)), "expiring", "in 20 days, on 2026-01-21"),
        (location(token_expires=NOW + HOUR), "expiring", "less than a day"),
        (location(token_expires=NOW - HOUR), "expired", "date has passed"),
        (location(state=LocationState.REVOKED), "revoked", "was revoked"),
        (location(state=LocationState.WRONG), "wrong", "does not know"),
        (location(state=LocationState.FOREIGN), "foreign", "pageturner accept"),
        (location(state=LocationState.EXPIRED, problem="Apple said so."), "expired", "Apple said so."),
    ],
)
def test_how_a_token_stands(given, state, words):
    """Each state has one sentence, which says what to do."""
    told = health.of_token(given, NOW)
    assert told.state == state
    assert words in (told.words or "")


@pytest.mark.parametrize(
    ("given", "state", "words"),
    [
        (stream(seen_at=NOW), "in step", ""),
        (stream(seen_at=NOW - timedelta(minutes=20)), "late", "due every 15 min"),
        (stream(seen_at=NOW - HOUR), "failing", "Last in step 60 min ago"),
        (stream(), "new", ""),
        (stream(held_deletes=30), "held", "pageturner accept hq"),
        (stream(full_wanted=Reason.TORN, torn_fulls=1), "torn", "the next sync"),
        (stream(full_wanted=Reason.TORN, torn_fulls=4, full_after=NOW), "torn", "torn 4 times"),
        (stream(problem="Apple is away."), "failing", "Apple is away."),
    ],
)
def test_how_a_stream_stands(given, state, words):
    """What holds a stream back is told in one sentence."""
    intervals = Intervals(delta={}, full={}, deep={})

    def stands(of):
        return health.of_stream(judge_streams(of, [given], intervals, NOW)[0])

    assert stands(location()).state == state
    assert words in (stands(location()).words or "")
    assert stands(location(state=LocationState.REVOKED)).state == "revoked"


def test_how_counts_are_told():
    """The first few are told one by one, the others as a number."""
    assert (
        "counts 12 assignments of asset 1 STDQ and lists 10; looked into once"
        in health.of_counts([differs(attempts=1)])[0]
    )
    many = health.of_counts([differs(attempts=2)] * 9)
    assert len(many) == health.TOLD + 1
    assert many[-1].startswith("6 more")
