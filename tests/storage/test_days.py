"""Days of assets: what publishes keep of each day, and what the views make of them."""

import json
import math
import random
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from simulator.catalogue import Size
from storage.mirror.days import DAYS_KEPT
from storage.reports import Choice
from storage.schema import asset_days
from storage.views import VIEWS
from tests.support.filled_store import FilledStore, make_store
from tests.support.memory import make_place


def today():
    """Return the day: never that on which this file was imported, which may be over."""
    return datetime.now(UTC).date()


@pytest.fixture
def store(database) -> FilledStore:
    """A store with two locations, of which nothing was read."""
    made = make_store(database)
    made.add("hq", "1")
    made.add("lab", "2")
    return made


def publish(store, *assets, name="hq", version="v1"):
    """Publish a full crawl of assets."""
    store.publish(store.read(store.stream(store.locations.named(name), "assets"), list(assets), version=version))


def asset(adam_id, available, assigned):
    """Make an asset."""
    counts = {"assignedCount": assigned, "availableCount": available, "totalCount": available + assigned}
    return {"adamId": adam_id, "pricingParam": "STDQ", "retiredCount": 0, **counts}


def days(store):
    """Return what is kept of each day."""
    columns = (asset_days.c.adam_id, asset_days.c.day, asset_days.c.total, asset_days.c.assigned)
    with store.database.read() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(*columns[:2]))]


def was(store, adam_id, ago, available, assigned, before=(None, None), location_id=1):
    """Keep a day that is so many days ago; before it, so many were available and assigned."""
    day = {
        "location_id": location_id,
        "adam_id": adam_id,
        "pricing_param": "STDQ",
        "day": today() - timedelta(days=ago),
    }
    counts = {"total": available + assigned, "assigned": assigned, "available": available}
    counts |= {"was_available": before[0], "was_assigned": before[1]}
    with store.database.write() as connection:
        connection.execute(sa.insert(asset_days).values(day | counts))


def rows(store, view, *columns):
    """Return rows of a view."""
    return list(store.reports.rows(VIEWS[view], Choice(columns=columns)))


def test_a_day_is_what_it_ended_with(store):
    """Each publish that changes an asset keeps its counts for the day; one that is gone has none."""
    publish(store, asset("1", 5, 1), asset("2", 3, 0))
    assert days(store) == [("1", today(), 6, 1), ("2", today(), 3, 0)]
    publish(store, asset("1", 4, 2), asset("2", 3, 0), version="v2")
    publish(store, asset("1", 9, 3), version="v3")
    assert days(store) == [("1", today(), 12, 3), ("2", today(), 0, 0)]


def test_what_is_old_goes(store):
    """Days before those that are kept are deleted, but for the last of them: it says how it was then."""
    kept = DAYS_KEPT.days
    for ago in (kept + 30, kept + 5, 10):
        was(store, "1", ago, 5, 1)
    was(store, "2", kept + 40, 5, 1)
    store.asset_days.sweep(datetime.now(UTC))
    ages = [(adam_id, (today() - day).days) for adam_id, day, *_ in days(store)]
    assert sorted(ages) == [("1", 10), ("1", kept + 5), ("2", kept + 40)]


def test_running_out(store):
    """The faster of two paces says when none is left, and how many to buy; little of many is shown in any case."""
    was(store, "1", 40, 45, 10)
    was(store, "1", 8, 15, 40, before=(45, 10))
    was(store, "2", 30, 1000, 50)
    publish(store, asset("1", 5, 50), asset("2", 1000, 50), asset("3", 9, 2), asset("4", 0, 0), asset("5", 0, 3))
    found = rows(store, "running_out", "adam_id", "assigned_7d", "assigned_30d", "days_left", "buy_for_90_days")
    pace = 10 / 7
    assert found == [
        ("1", 10, 40, math.floor(5 / pace), math.ceil(90 * pace - 5)),
        ("5", 0, 0, None, 0),
        ("3", 0, 0, None, 0),
    ]


def test_idle(store):
    """What was free all the time, for how long as many as now, and whether another place has none."""
    was(store, "1", 100, 10, 10)
    was(store, "1", 60, 30, 10, before=(10, 10))
    was(store, "1", 20, 55, 10, before=(30, 10))
    publish(store, asset("1", 50, 10), asset("2", 0, 10))
    publish(store, asset("1", 0, 10), name="lab")
    columns = ("location", "adam_id", "available", "idle_30d", "idle_90d", "free_for_days", "short_elsewhere")
    assert rows(store, "idle", *columns) == [("hq", "1", 50, 30, 10, 20, 1)]


def test_a_week_of_life():
    """A week in which assets and assignments change each day ends with what its truth, kept outside, says."""
    dice = random.Random(7)
    begun = datetime.combine(today() - timedelta(days=7), datetime.min.time(), UTC) + timedelta(hours=9)
    size = Size(assets=12, assignments=300, users=5, page_size=50)
    place = make_place(size=size, resources=["assets", "assignments"], begun=begun)
    truth: dict[str, dict[date, dict[str, int]]] = {}
    for _ in range(8):
        place.sync(full=True)
        for record in map(json.loads, place.truth("assets")):
            truth.setdefault(record["adamId"], {})[place.store.now().date()] = record
        place.change("assignments", insert=dice.randrange(200, 900), remove=dice.randrange(100), where="random")
        if dice.random() < 0.5:
            place.change("assets", insert=1, where="end")
        place.around.clock.sleep(86_400)
    expected = {}
    for adam_id, history in truth.items():
        now, first = history[today()], min(history)
        known = max((today() - first).days, 1)
        grown = now["assignedCount"] - history[max(first, today() - timedelta(days=7))]["assignedCount"]
        pace, left = max(grown / min(known, 7), grown / min(known, 30)), now["availableCount"]
        is_low = now["totalCount"] >= 10 and (left < 10 or left * 20 < now["totalCount"])
        if now["totalCount"] and (left <= 0 or (pace > 0 and left < 90 * pace) or is_low):
            days_left = math.floor(left / pace) if pace > 0 else None
            expected[adam_id] = (grown, grown, days_left)
    found = rows(place.store, "running_out", "adam_id", "assigned_7d", "assigned_30d", "days_left")
    assert expected
    assert {row[0]: tuple(row[1:]) for row in found} == expected
    assert {row[0] for row in rows(place.store, "idle", "adam_id")} == {
        adam_id for adam_id, history in truth.items() if min(day["availableCount"] for day in history.values()) > 0
    }
