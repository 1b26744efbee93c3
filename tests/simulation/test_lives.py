"""Lives of the suite: some of each run, those that once went wrong, and proof that a bug would be found."""

from dataclasses import replace

import pytest

from orchestration.gate.local_memory import LocalMemory
from storage.mirror import publication
from storage.mirror.outcome import stream_after
from storage.states import CrawlKind

from .life import live

#: How many lives find a bug, whatever it is.
ENOUGH = 200


@pytest.mark.parametrize("first", range(0, 150, 25))
def test_lives(first):
    """Whatever happens in a life, afterwards the mirror and its feed are exact."""
    for seed in range(first, first + 25):
        live(seed)


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(139, id="a torn full crawl moved the base of the next delta"),
        pytest.param(216, id="a late first page gave a settled crawl another version"),
        pytest.param(55, id="a late first page, of a full crawl"),
        pytest.param(714, id="a wait of less than a millisecond was none"),
    ],
)
def test_lives_that_went_wrong(seed):
    """What a life once showed to be wrong is mended."""
    live(seed)


def live_all(count):
    """Live so many lives."""
    for seed in range(count):
        live(seed)


def give_back_twice(monkeypatch):
    """Plant: a permit that is given back twice frees another one's place."""
    give_back = LocalMemory.give_back

    def twice(self, uid, returned):
        closed = give_back(self, uid, returned)
        permits = self._gate(uid).permits
        if permits:
            del permits[next(iter(permits))]
        return closed

    monkeypatch.setattr(LocalMemory, "give_back", twice)


def version_of_the_last_page(monkeypatch):
    """Plant: the next delta begins at the version of the page that was read last."""

    def after(crawl, stream, found, now):
        found_after = stream_after(crawl, stream, found, now)
        is_torn = crawl.kind is CrawlKind.FULL and not found.is_consistent
        return replace(found_after, version=crawl.version) if is_torn else found_after

    monkeypatch.setattr(publication, "stream_after", after)


def deletes_of_a_torn_crawl(monkeypatch):
    """Plant: a torn crawl deletes what it did not show."""
    complete = publication._Publication._complete
    monkeypatch.setattr(publication._Publication, "_complete", lambda self, **_: complete(self, is_consistent=True))


def looks_that_are_not_noted(monkeypatch):
    """Plant: a look into assets whose counts disagree is not noted."""
    monkeypatch.setattr(publication, "note_looks", lambda *_: None)


@pytest.mark.parametrize(
    "plant", [give_back_twice, version_of_the_last_page, deletes_of_a_torn_crawl, looks_that_are_not_noted]
)
def test_a_planted_bug_is_found(plant, monkeypatch):
    """Each of these bugs shows itself within a few lives."""
    plant(monkeypatch)
    with pytest.raises(AssertionError, match="Seed"):
        live_all(ENOUGH)
