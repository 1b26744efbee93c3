"""What people are told, and that each thing is said once."""

from datetime import timedelta

import pytest

from orchestration.decisions.alerts import (
    ABOUT,
    Rule,
    Scarcity,
    compose,
    news,
    of_apps,
    of_location,
    of_purchases,
)
from orchestration.decisions.freshness import judge_streams
from orchestration.decisions.health import of_token
from orchestration.decisions.timetable import Intervals
from storage.alerts import Alert, AppCount, Purchase
from storage.channels import AlertChannel
from storage.states import LocationState
from tests.support.examples import HOUR, NOW, make_location, make_stream

INTERVALS = Intervals(delta={}, full={}, deep={})
APP = AppCount(uid="1", place="hq", name="Keynote", adam_id="7", pricing="STDQ", total=100, available=50)


def alerts_of(location, *streams, now=NOW):
    """Return what stands of a location."""
    return list(of_location(location, of_token(location, now), judge_streams(location, streams, INTERVALS, now)))


@pytest.mark.parametrize(
    ("days", "step"), [(31, None), (30, 30), (14, 14), (10, 14), (7, 7), (1, 1), (0.5, 1), (-1, 0)]
)
def test_the_steps_of_a_token(days, step):
    """A token that ends soon has a step, and each step of each token a key of its own."""
    found = alerts_of(make_location(token_expires=NOW + timedelta(days=days)))
    assert [one.key.split(":")[-1] for one in found] == ([] if step is None else [str(step)])


def test_a_step_is_said_once_and_never_again():
    """A step that was told stands for ever; the next one is told; a renewed token has steps of its own."""
    old = make_location(token_expires=NOW + timedelta(days=40))
    new = make_location(token_expires=NOW + timedelta(days=400))
    standing: dict[str, str] = {}
    told = []
    for location, day in [*((old, day) for day in (0, 10, 11, 26, 33, 34, 39, 40, 41)), (new, 42), (new, 371)]:
        found = news(alerts_of(location, now=NOW + timedelta(days=day)), standing, {"1": "hq"})
        standing |= {one.key: one.rule for one in found.begun}
        assert found.ended == []
        told += [(day, one.key.split(":")[-1]) for one in found.told]
    assert told == [(10, "30"), (26, "14"), (33, "7"), (39, "1"), (40, "0"), (371, "30")]


@pytest.mark.parametrize("state", [LocationState.REVOKED, LocationState.WRONG, LocationState.FOREIGN])
def test_a_token_that_is_refused(state):
    """A refused token is one alert, and its lists are none besides; once it is good again, that is told."""
    refused = make_location(state=state, problem="It was refused.")
    late = make_stream(seen_at=NOW - 100 * HOUR)
    begun = news(alerts_of(refused, late), {}, {"1": "hq"})
    assert [(one.rule, one.words) for one in begun.told] == [(Rule.TOKEN_REFUSED, "hq: It was refused.")]
    standing = {one.key: one.rule for one in begun.begun}
    again = news(alerts_of(make_location(), make_stream(seen_at=NOW)), standing, {"1": "hq"})
    assert [(one.rule, one.words) for one in again.told] == [(Rule.IN_STEP_AGAIN, "hq: in step again.")]
    assert news([], {}, {"1": "hq"}).told == []


def test_what_is_late_and_then_ends_is_not_in_step():
    """A location that was late, and whose token has ended since, is not in step again; one that is, is told once."""
    standing = {f"{Rule.LATE}:1": Rule.LATE, f"{Rule.TOKEN_REFUSED}:1:revoked": Rule.TOKEN_REFUSED}
    ended = alerts_of(make_location(token_expires=NOW - HOUR))
    assert [one.rule for one in news(ended, standing, {"1": "hq"}).told] == [Rule.TOKEN_ENDS]
    assert [one.rule for one in news([], standing, {"1": "hq"}).told] == [Rule.IN_STEP_AGAIN]


def test_a_late_location_is_one_alert():
    """However many of its lists are late, a location is late once; with why, if that is known."""
    late = [make_stream(resource=name, seen_at=NOW - 3 * HOUR) for name in ("assets", "users")]
    [one] = alerts_of(make_location(), *late)
    assert (one.rule, one.words.startswith("hq assets, users: Last in step")) == (Rule.LATE, True)
    failing = [make_stream(seen_at=NOW - 3 * HOUR, problem="Apple is away.")]
    assert alerts_of(make_location(), *failing)[0].words == "hq assignments: Apple is away."


def test_held_deletes():
    """Each list whose deletes are held is an alert."""
    held = make_stream(seen_at=NOW, held_deletes=1200)
    assert [one.words for one in alerts_of(make_location(), held)] == ["hq assignments: 1,200 deletes are held."]


def app(available):
    """Return an app of which so many of a hundred licences are left."""
    return AppCount(**{**vars(APP), "available": available})


def test_an_app_does_not_flicker():
    """An app is told to be low once, until there are twice as many as make it low; then it may be told again."""
    standing: dict[str, str] = {}
    told = []
    for available in (6, 5, 6, 4, 9, 5, 11, 4):
        now = list(of_apps([app(available)] if available <= 10 else [], Scarcity(), standing))
        found = news(now, standing, {"1": "hq"})
        standing |= {one.key: one.rule for one in found.begun}
        for key in found.ended:
            del standing[key]
        told += [available for _ in found.told]
    assert told == [5, 4]


def test_an_app_that_is_out():
    """An app without a licence left is told to be out, and not to be low as well; one licence back is no news."""
    found = news(list(of_apps([app(0)], Scarcity(), {})), {}, {})
    assert [one.words for one in found.told] == ["hq: no licence of Keynote is left of 100."]
    standing = {one.key: one.rule for one in found.begun}
    assert news(list(of_apps([app(1)], Scarcity(), standing)), standing, {}).told == []
    assert news(list(of_apps([app(0)], Scarcity(), standing)), standing, {}).told == []


def test_a_purchase_is_an_event():
    """Licences that were gained are told, and stand for nothing."""
    bought = Purchase(seq=9, uid="1", place="hq", adam_id="7", pricing="STDQ", name="Keynote", before=100, after=150)
    found = news(list(of_purchases([bought])), {}, {"1": "hq"})
    assert [one.words for one in found.told] == ["hq: 50 licences of Keynote arrived, 150 are owned now."]
    assert found.begun == []


def alert(number, rule=Rule.LATE, uid="1"):
    """Return an alert."""
    return Alert(key=f"{rule}:{number}", rule=rule, uid=uid, words=f"thing {number}")


def test_a_message_for_each_channel():
    """A channel gets one message with what is for it: its rules, its locations, the most serious first."""
    told = [alert(1), alert(2, Rule.TOKEN_REFUSED), alert(3, uid="2")]
    every = compose(AlertChannel(name="it", url="x://"), told)
    assert (every.title, every.body) == ("Pageturner: 3 things to know", "thing 2\nthing 1\nthing 3")
    one = compose(AlertChannel(name="it", url="x://", rules=[Rule.LATE], uids=["2"]), told)
    assert (one.title, one.body) == ("thing 3", "thing 3")
    assert compose(AlertChannel(name="it", url="x://", rules=[Rule.APP_LOW]), told) is None


def test_a_message_is_not_endless():
    """Of very much of one kind the first lines are there, and how many more there are."""
    lines = compose(AlertChannel(name="it", url="x://"), [alert(n) for n in range(500)]).body.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 480 more of this kind (late)."


def test_every_rule_says_what_it_is_about():
    """Each rule has a line for lists and documents."""
    assert set(ABOUT) == set(Rule)
