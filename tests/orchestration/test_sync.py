"""Whole syncs in memory: every resource, and every way in which reading may go wrong."""

from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from apple.client import Client
from apple.local import LocalSessions
from apple.resources import RESOURCES
from apple.tokens import Token
from orchestration.crawl import RESTART_LIMIT
from orchestration.decisions.retry import AWAY_LIMIT, Postponed, Refused
from orchestration.memory.process import start_process
from orchestration.sync import NeedsPerson
from storage.states import Cause, CrawlState, LocationState, Trouble
from tests.support.memory import make_place

FAILED, PUBLISHED, UNCHANGED = CrawlState.FAILED, CrawlState.PUBLISHED, CrawlState.UNCHANGED


def crawl_of(place, sync_id, resource):
    """Return the last crawl of a resource in a sync."""
    return [crawl for crawl in place.store.crawls.of_sync(sync_id) if crawl.resource == resource][-1]


def test_a_whole_sync():
    """Every resource is read exactly, five requests in flight at most, and one of a chain."""
    place = make_place(processes=3)
    states = place.states(place.sync())
    assert states == dict.fromkeys(RESOURCES, PUBLISHED)
    place.assert_exact()


def test_nothing_changed():
    """A second sync sends one request a stream, and writes nothing."""
    place = make_place()
    place.sync()
    requests, last = place.apple.traffic.requests, place.store.feed.extent().last
    states = place.states(place.sync())
    assert set(states.values()) == {UNCHANGED, PUBLISHED}
    assert [name for name, state in states.items() if state is PUBLISHED] == ["legacy-assets"]  # it shows no version
    assert place.apple.traffic.requests - requests == len(RESOURCES)
    assert place.store.feed.extent().last == last


def test_what_changed():
    """Inserts and updates come with a delta; a removal of an assignment comes by the count of its asset."""
    place = make_place(resources=["assets", "assignments", "users", "licenses"])
    place.sync()
    place.change("assignments", insert=3, remove=2)
    place.change("users", insert=1, update=2)
    place.change("licenses", update=1)
    place.sync()
    place.assert_exact(["assets", "assignments", "users", "licenses"])


@pytest.mark.parametrize("seed", range(8))
def test_any_order(seed):
    """Whatever the order in which three processes take their messages, the outcome is the same."""
    place = make_place(seed=seed, processes=3)
    place.sync()
    place.assert_exact()


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "error", "status": 503, "number": 9603},
        {"kind": "error", "status": 429, "number": 9646, "headers": {"Retry-After": "30"}},
        {"kind": "error", "status": 200, "number": 9729},
        {"kind": "status", "status": 502},
        {"kind": "status", "status": 429},
        {"kind": "html", "status": 200},
        {"kind": "truncated"},
        {"kind": "shape"},
        {"kind": "garbage-after-gzip"},
    ],
    ids=lambda answer: f"{answer['kind']} {answer.get('number', answer.get('status', ''))}",
)
@pytest.mark.parametrize("resource", ["assignments", "subscriptions", "licenses"])
def test_an_answer_that_goes_wrong_for_a_while(resource, answer):
    """What passes by itself costs time and nothing else, whatever the list and wherever it strikes."""
    place = make_place(resources=[resource])
    place.break_(resource, times=3, **answer)
    place.break_(resource, page=1, times=2, **answer)
    assert place.states(place.sync()) == {resource: PUBLISHED}
    place.assert_exact([resource])


@pytest.mark.parametrize("resource", ["assignments", "subscriptions", "licenses"])
def test_apple_is_away_for_too_long(resource):
    """A page that is not answered for a minute and a half fails its crawl; the next sync goes on from what was read."""
    place = make_place(resources=[resource])
    place.break_(resource, page=1, times=10_000, kind="status", status=503)
    begun = place.around.clock.monotonic()
    crawl = crawl_of(place, place.sync(), resource)
    assert (crawl.state, crawl.trouble) == (FAILED, Trouble.AWAY)
    assert place.around.clock.monotonic() - begun > AWAY_LIMIT.total_seconds()
    place.apple.faults.clear()
    place.apple.traffic.by_page.clear()
    assert place.states(place.sync()) == {resource: PUBLISHED}
    place.assert_exact([resource])


def test_a_list_that_is_not_for_this_token():
    """A plain 403 fails its own list, for a person, and stops no other."""
    place = make_place(resources=["assets", "users"])
    place.break_("users", times=10, kind="status", status=403)
    sync_id = place.sync()
    assert place.states(sync_id) == {"assets": PUBLISHED, "users": FAILED}
    assert crawl_of(place, sync_id, "users").trouble is Trouble.PERSON


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"kind": "error", "status": 401, "number": 9625}, LocationState.REVOKED),
        ({"kind": "error", "status": 401, "number": 9621}, LocationState.EXPIRED),
        ({"kind": "error", "status": 401, "number": 9622}, LocationState.WRONG),
        ({"kind": "other-location"}, LocationState.WRONG),
        ({"kind": "other-owner"}, LocationState.FOREIGN),
    ],
    ids=lambda one: str(one.get("number", one["kind"])) if isinstance(one, dict) else str(one),
)
def test_a_location_that_is_refused(answer, state):
    """A token that is no good, or data that are another's, stop every list of the location, and nothing is lost."""
    place = make_place(resources=["assets", "assignments", "users"])
    place.sync()
    place.apple.organisation.owner = {"id": "ours", "name": "Ours", "metadata": ""}
    place.apple.pages.forget()
    place.sync(full=True)
    place.break_("*", times=100, **answer)
    sync_id = place.sync("assignments", full=True)
    assert crawl_of(place, sync_id, "assignments").trouble is Trouble.PERSON
    assert place.store.locations.find(place.location.uid).state is state
    place.apple.faults.clear()
    place.assert_exact(["assets", "assignments", "users"])


def test_a_token_that_was_rotated_meanwhile():
    """A refusal of a token that another has replaced says nothing of the new one: the request is repeated with that."""
    place = make_place(resources=["assignments"])
    sync_id = place.process.use_cases.syncer.open(place.location, None, full=True)
    job = place.store.pages.job(crawl_of(place, sync_id, "assignments").id, 0)
    new = Token(text=place.apple.give_token(), expires=job.token.expires, organisation=job.token.organisation)
    place.store.locations.rotate(place.location.name, new)
    refused = Refused(cause=Cause(reason="Revoked.", trouble=Trouble.PERSON), state=LocationState.REVOKED)
    assert place.process.use_cases.crawl_tasks._obey(job, refused) == Postponed(seconds=0.0)
    place.run()
    assert place.states(sync_id) == {"assignments": PUBLISHED}
    assert place.store.locations.find(place.location.uid).state is LocationState.VALID


@pytest.mark.parametrize(
    ("resource", "number"), [("assignments", 9721), ("subscriptions", 9812), ("licenses", 9633), ("licenses", 9629)]
)
def test_what_is_dead_is_begun_again(resource, number):
    """A version, a cursor or a batch token that Apple no longer knows costs a restart."""
    place = make_place(resources=[resource])
    place.break_(resource, page=1, times=1, kind="error", status=400, number=number)
    crawl = crawl_of(place, place.sync(), resource)
    assert (crawl.state, crawl.restarts) == (PUBLISHED, 1)
    place.assert_exact([resource])


def test_a_delta_from_a_dead_version():
    """A delta whose version Apple no longer knows becomes a full crawl."""
    place = make_place(resources=["assignments"])
    place.sync()
    place.apple.expire("versions")
    place.change("assignments", insert=2, remove=1)
    crawl = crawl_of(place, place.sync(), "assignments")
    assert (crawl.kind, crawl.state) == ("full", PUBLISHED)
    place.assert_exact(["assignments"])


def test_what_is_dead_again_and_again():
    """A crawl that has to begin again too often fails, and waits."""
    place = make_place(resources=["licenses"])
    place.break_("licenses", page=1, times=100, kind="error", status=400, number=9633)
    crawl = crawl_of(place, place.sync(), "licenses")
    assert (crawl.state, crawl.trouble, crawl.restarts) == (FAILED, Trouble.AWAY, RESTART_LIMIT)


def test_a_page_without_its_list():
    """A page that comes without its list is requested again; if it stays so, nothing is deleted for it."""
    place = make_place(resources=["assignments"])
    place.sync()
    place.change("assignments", insert=1)
    place.break_("assignments", page=2, times=2, kind="lost")
    place.sync(full=True)
    place.assert_exact(["assignments"])
    place.break_("assignments", page=2, times=100, kind="lost")
    place.change("assignments", insert=1)
    sync_id = place.sync(full=True)
    crawl = next(one for one in place.store.crawls.of_sync(sync_id) if one.kind == "full")
    assert (crawl.state, crawl.is_consistent) == (PUBLISHED, False)
    assert not [change for change in place.store.feed.after(0) if change.op == "delete"]


def test_a_location_that_is_removed_meanwhile():
    """A crawl whose location is no longer watched fails, and requests nothing more."""
    place = make_place(resources=["assignments"])
    sync_id = place.process.use_cases.syncer.open(place.location, None, full=False)
    place.store.locations.remove(place.location.name)
    place.run()
    crawl = crawl_of(place, sync_id, "assignments")
    assert (crawl.state, crawl.trouble) == (FAILED, Trouble.PERSON)
    assert place.apple.traffic.requests == 0


def test_a_token_past_its_date():
    """A location whose token has passed its date is not even asked about."""
    place = make_place(resources=["assignments"])
    place.store.locations.note_expiry(place.location.id, place.around.clock.now())
    with pytest.raises(NeedsPerson, match="date has passed"):
        place.sync()
    assert place.store.locations.find(place.location.uid).state is LocationState.EXPIRED


def test_data_that_never_rest():
    """A list that changes with every request settles for what can be proven, and a quiet crawl makes it exact."""
    place = make_place(resources=["assignments"])
    place.sync()
    for number in range(1, 200):
        place.change("assignments", insert=1, remove=1, at_request=number)
    place.sync(full=True)
    place.apple.changes.clear()
    place.sync(full=True)
    place.assert_exact(["assignments"])


def test_mass_deletes_are_held():
    """Deletes that empty a stream wait until a second full crawl shows the same."""
    place = make_place(resources=["subscriptions"])
    place.sync()
    place.change("subscriptions", remove=12)
    place.sync(full=True)
    assert len(place.mirror("subscriptions")) == 12
    place.sync(full=True)
    place.assert_exact(["subscriptions"])


def test_a_location_that_needs_a_person_rests(caplog):
    """The scheduler tries a location that needs a person once an hour, and logs why."""
    place = make_place(resources=["assignments"])
    place.store.locations.note_expiry(place.location.id, place.around.clock.now())
    syncer, uid = place.process.use_cases.syncer, place.location.uid
    assert syncer.sync_due(uid) is None
    assert "date has passed" in caplog.text
    place.around.clock.sleep(3500)
    assert place.store.streams.due(place.location.id, place.store.now()) == []
    place.around.clock.sleep(200)
    assert len(place.store.streams.due(place.location.id, place.store.now())) == 1


def test_a_location_rests_after_a_bug():
    """After a bug in its sync, a location is due again ten minutes later; one that was removed is left alone."""
    place = make_place(resources=["assignments"])
    syncer, uid = place.process.use_cases.syncer, place.location.uid
    syncer.rest(uid)
    assert place.store.streams.due(place.location.id, place.store.now()) == []
    place.around.clock.sleep(601)
    assert len(place.store.streams.due(place.location.id, place.store.now())) == 1
    place.store.locations.remove(place.location.name)
    syncer.rest(uid)
    assert syncer.sync_due(uid) is None


def test_a_foreign_location_reads_what_names_its_owner():
    """Of a location that another service manages, only lists that name the owner are read."""
    place = make_place(resources=["assets", "subscriptions"])
    place.store.locations.own(place.location.id, "us", "Pageturner")
    place.apple.organisation.owner = {"id": "other", "name": "Other MDM", "metadata": ""}
    place.sync()
    assert place.store.locations.find(place.location.uid).state is LocationState.FOREIGN
    requests = place.apple.traffic.by_resource.get("subscriptions", 0)
    place.sync()
    assert place.apple.traffic.by_resource.get("subscriptions", 0) == requests
    with pytest.raises(NeedsPerson, match="Another management service"):
        place.sync("subscriptions")


def test_a_cursor_that_leads_back_to_itself():
    """A page whose cursor is that of its own request is refused: the chain would never end."""
    place = make_place(resources=["subscriptions"])
    page = {
        "uId": place.location.uid,
        "versionId": "v",
        "nextCursor": "same",
        "subscriptions": [],
    }

    async def answer(_: Request) -> Response:
        return JSONResponse(page)

    app = Starlette(routes=[Route("/{path:path}", answer)])
    around = replace(place.around, apple=Client("http://apple", sessions=LocalSessions(app)))
    place.processes = [start_process(around)]
    crawl = crawl_of(place, place.sync(), "subscriptions")
    assert crawl.state is FAILED
    assert "leads back to it" in (crawl.reason or "")
