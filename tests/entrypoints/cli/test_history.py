"""`pageturner history`: which crawls ran, why, and what came of them."""

import json

import pytest

from entrypoints.exits import Exit
from storage.states import Cause, Trigger, Trouble
from tests.support.memory import make_place


def test_what_came_of_crawls(terminal):
    """Each crawl is a line, the newest first: published with its changes, or failed with its reason."""
    assert "No crawls yet" in terminal.run("history").err
    asset = {"adamId": "7", "pricingParam": "STDQ"}
    terminal.publish("assets", asset, asset | {"adamId": "8"}, version="v1")
    terminal.publish("assets", asset | {"totalCount": 3}, version="v2")
    opened = terminal.store.open(terminal.store.stream(terminal.store.location, "users"))
    cause = Cause(reason="Apple does not let the token read this list.", trouble=Trouble.PERSON)
    terminal.store.crawls.fail(terminal.store.crawls.get(opened.crawl_id), cause)
    header, *lines = terminal.run("history").out.splitlines()
    assert header.split()[:3] == ["begun", "location", "stream"]
    assert "failed: Apple does not let the token read this list." in lines[0]
    assert "+0 ~1 -1" in lines[1]
    assert "+2 ~0 -0" in lines[2]
    assert len(terminal.run("history", "hq", "--resource", "users").out.splitlines()) == 2
    [one] = json.loads(terminal.run("history", "--json", "--limit", "1").out)
    assert (one["location"], one["resource"], one["state"], one["begun_by"]) == ("hq", "users", "failed", "hand")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("history", "nowhere"), "There is no such location."),
        (("history", "--since", "soon"), "--since: 'soon' is neither"),
        (("history", "--resource", "apps"), "There is no resource 'apps'"),
    ],
)
def test_a_mistake_is_named(terminal, arguments, words):
    """What cannot be understood is named."""
    ended = terminal.run(*arguments)
    assert (ended.status, words in ended.err) == (Exit.USAGE, True), ended.err


def test_what_a_sync_began_by():
    """A sync began by a person, by the clock, or by a notice alone."""
    place = make_place(resources=["assets", "users"])
    place.sync()
    syncer, streams = place.process.use_cases.syncer, place.store.streams
    place.around.clock.sleep(3600)
    syncer.sync_due(place.location.uid)
    place.run()
    streams.want(place.location.id, ["assets"], place.store.now())
    place.around.clock.sleep(60)
    syncer.sync_due(place.location.uid)
    place.run()
    begun = [one.begun_by for one in place.store.history.crawls(50)]
    assert begun[-1] is Trigger.HAND
    assert Trigger.CLOCK in begun
    assert begun[0] is Trigger.NOTICE
