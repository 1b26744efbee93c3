"""What counts say of assignments: which crawls follow from it, and what is stored of what disagrees."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from orchestration.counts import COUNTED
from storage.ledger.crawls import Scope
from storage.mirror.counts import Disagreement, Look
from storage.schema import disagreements, streams
from storage.states import CrawlKind

from .world import World


@pytest.fixture
def world(database, gate) -> World:
    """A location that is in step."""
    made = World(database, gate)
    made.sync()
    return made


def kinds(world: World) -> list[tuple[str, CrawlKind]]:
    """Return the crawls of the last sync, as they were opened."""
    sync_id = max(one.sync_id for one in every_crawl(world))
    return [(one.resource, one.kind) for one in world.store.crawls.of_sync(sync_id)]


def every_crawl(world: World):
    """Return every crawl that there was."""
    with world.store.database.read() as connection:
        last = connection.exec_driver_sql("SELECT max(id) FROM syncs").scalar_one()
    return [crawl for sync_id in range(1, last + 1) for crawl in world.store.crawls.of_sync(sync_id)]


def test_counts_that_agree_cost_nothing(world):
    """Where every count is the number of its assignments, no asset is looked into."""
    world.sync()
    assert {kind for _, kind in kinds(world)} <= {CrawlKind.FULL, CrawlKind.DELTA}
    assert world.store.counts.differing(world.location.id) == []


def test_a_removal_is_looked_into(world):
    """One asset that counts fewer than are listed is read alone, and its removal published."""
    world.remove(1, "a")
    world.sync()
    assert ("assignments", CrawlKind.SPOT) in kinds(world)
    assert world.mirror() == world.truth()
    assert world.store.counts.known(world.location.id) == []


def test_only_both_lists_can_be_compared(world):
    """A location that does not watch assets has no counts: nothing is compared, and nothing fails."""
    world.store.locations.watch("hq", ["assignments"])
    world.remove(1, "a")
    world.open("assignments")
    world.read()
    assert ("assignments", CrawlKind.SPOT) not in kinds(world)


def test_a_disagreement_that_is_over_is_forgotten(world):
    """What was stored as due, and agrees by now, is deleted without a request."""
    look = Look(counted=9, listed=2, attempts=1, again_at=world.store.now() - timedelta(minutes=1))
    stale = Disagreement(adam_id="1", pricing_param="STDQ", counted=9, listed=2, last=look)
    world.store.counts.note(world.location.id, [stale])
    world.sync()
    assert world.store.counts.is_due(world.location.id, world.store.now()) is False
    with world.store.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(disagreements)) == 0


def test_a_look_waits_while_full_crawls_are_torn(world, monkeypatch):
    """If everything would have to be read, and full crawls come out torn at the moment, the look waits with them."""
    later = world.store.now() + timedelta(hours=1)
    with world.store.database.write() as connection:
        connection.execute(sa.update(streams).where(streams.c.resource == "assignments").values(full_after=later))
    monkeypatch.setattr("orchestration.decisions.spot.SPOT_LIMIT", 0)  # no asset is looked into alone
    world.remove(1, "a")
    world.sync()
    assert {kind for name, kind in kinds(world) if name == "assignments"} == {CrawlKind.DELTA}
    [look] = looks(world)
    assert abs(look.again_at - later) < timedelta(seconds=1)


def looks(world: World) -> list[Look]:
    """Return the stored looks."""
    return [one.last for one in world.store.counts.differing(world.location.id) if one.last is not None]


def test_a_sync_without_a_look_wants_another(world):
    """If something is due that a sync could not look into, both streams are wanted again."""
    crawls = world.store.crawls.of_sync(1)
    look = Look(counted=9, listed=2, attempts=1, again_at=world.store.now() - timedelta(minutes=1))
    world.store.counts.note(
        world.location.id, [Disagreement(adam_id="1", pricing_param="STDQ", counted=9, listed=2, last=look)]
    )
    world.use_cases.syncer._counts.want_due(world.location.id, crawls)
    assert world.store.streams.is_wanted(world.location.id)
    due = {one.resource for one in world.store.streams.due(world.location.id, world.store.now())}
    assert due >= set(COUNTED)


def test_looks_grow_rarer(world):
    """An asset that never agrees is looked into after five minutes, then ten, and so on, never more than once a day."""
    waits = []
    for attempt in range(12):
        scope = Disagreement(
            adam_id="1",
            pricing_param="STDQ",
            counted=9,
            listed=2,
            last=Look(counted=9, listed=2, attempts=attempt, again_at=world.store.now()),
        )
        world.store.counts.note(world.location.id, [scope])
        crawl = world.store.crawls.of_sync(1)[0]
        spot = type(crawl)(**vars(crawl) | {"scopes": (as_scope(scope, attempt),), "kind": CrawlKind.SPOT})
        world.store.counts.note_failure(spot)
        with world.store.database.read() as connection:
            again = connection.scalar(sa.select(disagreements.c.again_at))
        waits.append(timedelta(minutes=round((again - world.store.now()) / timedelta(minutes=1))))
    assert waits[0] <= timedelta()
    assert waits[1:] == sorted(waits[1:])
    assert timedelta(minutes=4) < waits[1] < timedelta(minutes=11)
    assert waits[-1] <= timedelta(days=1)


def as_scope(one: Disagreement, attempts: int):
    """Return the scope of a look into an asset."""
    return Scope(
        adam_id=one.adam_id,
        pricing_param=one.pricing_param,
        counted=one.counted,
        listed=one.listed,
        attempts=attempts,
    )
