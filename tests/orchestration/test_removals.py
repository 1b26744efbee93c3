"""Removals that no list of changes shows: what counts say of them is a fact, and looked into soon."""

from dataclasses import replace

import pytest

from orchestration.crawl import RESTART_LIMIT
from storage.mirror.counts import Counts
from storage.states import Cause, CrawlKind, Trouble

from .world import World


@pytest.fixture
def world(database, gate) -> World:
    """A location that is in step."""
    world = World(database, gate)
    world.sync()
    assert world.mirror() == world.truth()
    return world


def test_a_removal_after_the_look_of_a_sync(world):
    """What is removed while a chain is still walked, after a sync's one look, is looked into by the next sync."""
    world.remove(1, "a")
    sync = world.open("assets", "assignments", "subscription-assignments")
    world.read()
    assert world.mirror() == world.truth()
    world.remove(2, "c")
    assert world.open("assets", "assignments") == sync
    world.read()
    assert world.use_cases.sent.count("sync") == 0
    world.end_chain()
    assert world.use_cases.sent.count("sync") == 1
    world.sync()
    assert world.mirror() == world.truth()


def test_a_removal_beside_a_list_that_needs_a_person(world):
    """A list of the same sync that is not for this token keeps no removal of another from being looked into."""
    world.remove(1, "a")
    world.open("assets", "assignments", "subscriptions")
    world.use_cases.crawl_tasks.fail(world.chain().id, Cause(reason="Not allowed.", trouble=Trouble.PERSON))
    world.read()
    assert world.mirror() == world.truth()


def test_counts_are_compared_once_after_each_publish(world, monkeypatch):
    """However often a sync is tended beside a chain, its assignments are counted once for what was published."""
    compared = []
    differing = Counts.differing

    def noting(self, one):
        compared.append(one)
        return differing(self, one)

    monkeypatch.setattr(Counts, "differing", noting)
    world.given[1].append("e")
    world.moves += 1
    world.open("assets", "assignments", "subscription-assignments")
    world.read()
    once = len(compared)
    for _ in range(10):
        world.use_cases.reviver.tend()
    assert len(compared) == once


def test_a_look_that_fails_wherever_is_one(world):
    """A look into assets that ends with its location's token is noted as failed, wherever that was noticed."""
    world.given[1].append("never listed")
    world.moves += 1
    world._assignments = lambda asset: [
        one for one in World._assignments(world, asset) if one["serialNumber"] != "never listed"
    ]
    world.open("assets", "assignments")
    spot = None
    while spot is None:
        paged = [one for one in world.store.unfinished() if not one.is_chained]
        spot = next((one for one in paged if one.kind is CrawlKind.SPOT), None)
        for crawl in paged if spot is None else ():
            world._finish(crawl)
    dead = Cause(reason="Its base is gone.", trouble=Trouble.AWAY)
    world.use_cases.crawler.restart(replace(spot, restarts=RESTART_LIMIT), dead)
    [one] = world.store.counts.known(world.location.id)
    assert one.last.attempts == 1


def test_counts_that_never_agree_end(world):
    """An asset that Apple counts wrongly is looked into, put off, and no reason to sync again and again."""
    world.given[1].append("never listed")
    world.moves += 1
    world._assignments = lambda asset: [
        one for one in World._assignments(world, asset) if one["serialNumber"] != "never listed"
    ]
    world.sync()
    for _ in range(3):
        world.sync()
    assert world.use_cases.sent.count("sync") <= 1
    [one] = world.store.counts.known(world.location.id)
    assert (one.counted, one.listed, one.last.attempts) == (3, 2, 1)
