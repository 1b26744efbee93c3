"""What a person may do at the console, played to its end in memory."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from apple.notices import read_notice
from entrypoints.web.console.actions import WORDS, Done, act
from entrypoints.web.console.screen import NotFound
from orchestration.queue import TaskQueue
from orchestration.use_cases import UseCases
from storage.states import LocationState, Reason
from storage.store import Store
from tests.support.memory import MemoryPlace, make_place
from tests.support.notifier import make_notice


@dataclass(frozen=True, kw_only=True)
class Acting:
    """The services that actions take."""

    store: Store
    use_cases: UseCases
    queue: TaskQueue


@pytest.fixture
def place() -> MemoryPlace:
    """An installation with one location, which was read once."""
    made = make_place(resources=["assets", "users"])
    made.sync()
    return made


def do(place: MemoryPlace, action: str, **form: str) -> Done:
    """Do something, and let it come to its end."""
    process: Any = place.process
    acting: Any = Acting(store=place.store, use_cases=process.use_cases, queue=process.use_cases.syncer._queue)
    done = act(acting, place.location.uid, action, form)
    place.run()
    return done


def hold(place: MemoryPlace, *resources: str) -> None:
    """Hold some deletes of lists."""
    with place.store.database.write() as connection:
        for resource in resources:
            connection.exec_driver_sql("UPDATE streams SET held_deletes = 5 WHERE resource = ?", (resource,))


def accepted(place: MemoryPlace) -> list[str]:
    """Return the lists whose held deletes were accepted, and not published since."""
    return [one.resource for one in place.store.streams.watched(place.location.id) if one.accepted_deletes]


def test_syncing(place):
    """What is due is read, or everything if that is asked for."""
    assert do(place, "sync") is Done.SYNC
    assert do(place, "sync", full="yes") is Done.FULL
    crawls = place.store.history.crawls(10)
    assert [one.forced_by for one in crawls][:2] == [Reason.ASKED, Reason.ASKED]


def test_deletes_are_accepted_list_by_list(place, monkeypatch):
    """Those of the lists that the form names, and of no other."""
    hold(place, "assets", "users")
    monkeypatch.setattr(place.process.use_cases.syncer, "open", lambda *_, **__: 1)  # what is accepted stays to be seen
    assert do(place, "accept", resource="users") is Done.ACCEPTED
    assert accepted(place) == ["users"]
    assert do(place, "accept", resource="users,assets") is Done.ACCEPTED
    assert sorted(accepted(place)) == ["assets", "users"]


def test_an_owner_is_accepted_by_itself(place, monkeypatch):
    """Held deletes are not accepted with it; where no other owner is, there is nothing to accept."""
    hold(place, "users")
    monkeypatch.setattr(place.process.use_cases.syncer, "open", lambda *_, **__: 1)
    assert do(place, "accept", owner="yes") is Done.NOTHING_HELD
    place.store.locations.mark(place.location.id, LocationState.FOREIGN, "Another service.", "OtherOwner")
    assert do(place, "accept", owner="yes") is Done.ACCEPTED
    assert place.store.locations.find(place.location.uid).state is LocationState.VALID
    assert accepted(place) == []


def test_a_notice_is_handled_again(place):
    """The one that is named; without a name, none."""
    body = make_notice(place.location.uid, notificationId="n1")
    place.store.notices.store([read_notice(json.dumps(body).encode())])
    assert do(place, "replay") is Done.NO_NOTICE
    assert do(place, "replay", notice="n2") is Done.NO_NOTICE
    assert do(place, "replay", notice="n1") is Done.REPLAYED


def test_what_cannot_be_done(place):
    """It is told in words, and each outcome has some."""
    for action, form in (("nothing", {}), ("accept", {"resource": "nothing"})):
        with pytest.raises(NotFound):
            do(place, action, **form)
    assert do(place, "accept") is Done.NOTHING_HELD
    assert set(WORDS) == set(Done)
