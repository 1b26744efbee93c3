"""What each page shows, as a page, as JSON and as CSV."""

import csv
import io
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from entrypoints.web.console.query import WrongQuery, read_position, write_position
from entrypoints.web.console.render import points, sentence_parts
from entrypoints.web.console.screens.apps import used_by_day
from storage.mirror.days import AssetDay
from tests.support.cluster import canonical

from .conftest import ASSETS, ASSIGNMENTS

HOSTILE = "<img src=x onerror=alert(1)>\u202e'\"&{{7*7}}"


def rows_of(answer) -> list[dict[str, str]]:
    """Read a CSV."""
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_the_overview_says_who_has_to_act(serve):
    """Nothing needs a person; without a scheduler somebody is told to start one."""
    door = serve()
    facts = door.get("/overview.json").json()
    assert facts["locations"] == 1
    assert [one["words"] for one in facts["needs_you"] if "scheduler" in one["words"]]
    assert facts["licences"] == {"apps": 2, "total": 15, "assigned": 14, "available": 1, "retired": 0}
    assert [one["adam_id"] for one in facts["running_out"]] == ["409203825"]
    assert "Needs you" in door.get("/").text


def test_a_broken_token_is_found_at_once(serve, filled):
    """It stands first, with what to type."""
    filled.locations.mark(filled.location.id, "revoked", "The token was revoked.", "TokenRevoked")
    first = serve().get("/overview.json").json()["needs_you"][0]
    assert (first["place"], first["alarm"]) == ("hq", 2)
    assert "pageturner locations rotate hq FILE" in first["words"]


def test_apps(serve):
    """Each app in each place, with what is left; a part of its number finds it, and so the CSV has it alone."""
    door = serve()
    rows = door.get("/apps.json?sort=free").json()["rows"]
    assert [(one["adam_id"], one["total"], one["available"]) for one in rows] == [
        ("409203825", 5, 0),
        ("361285480", 10, 1),
    ]
    found = rows_of(door.get("/apps.csv?q=36128"))
    assert [(one["adam_id"], one["available"]) for one in found] == [("361285480", "1")]
    assert "361285480" in door.get("/apps?q=36128").text


def test_an_app(serve):
    """Where it is, and who has it."""
    door = serve()
    facts = door.get("/apps/361285480.json").json()
    assert [one["total"] for one in facts["places"]] == [10]
    assert [one["serial_number"] for one in facts["holders"]] == [one["serialNumber"] for one in ASSIGNMENTS[:5]]
    assert len(rows_of(door.get("/apps/361285480.csv"))) == 5
    assert door.get("/apps/1").status_code == 404


def test_a_holder_is_found_by_anything_of_it(serve):
    """A part of a serial number in small letters, or an address, finds it; its page has what it holds since when."""
    door = serve()
    assert [one["name"] for one in door.get("/holders.json?q=f9fx00000003").json()["holders"]] == ["F9FX00000003"]
    assert [one["name"] for one in door.get("/holders.json?q=anna@").json()["holders"]] == ["anna"]
    facts = door.get("/holder.json?kind=user&name=anna").json()
    assert [one["adam_id"] for one in facts["held"]] == ["409203825"]
    assert facts["held"][0]["since"]
    assert facts["emails"] == ["anna@example.com"]
    assert any("assigned" in one["words"] for one in facts["history"])
    assert door.get("/holder?kind=device&name=anna").status_code == 404


def test_changes(serve):
    """By day, the newest first; those of one app or of one holder alone where they are asked for."""
    door = serve()
    lines = [one for day in door.get("/changes.json").json()["days"] for one in day["lines"]]
    assert [one["seq"] for one in lines] == sorted((one["seq"] for one in lines), reverse=True)
    [line] = door.get("/changes.json?holder=anna&resource=assignments").json()["days"][0]["lines"]
    assert "anna" in line["words"]
    assert door.get("/changes.json?app=Nothing").json()["days"] == []
    assert len(rows_of(door.get("/changes.csv?resource=assets"))) == len(ASSETS)


def test_records_are_paged_by_key(serve, monkeypatch):
    """Every record is on one page and on no other; each fact about them is counted."""
    monkeypatch.setattr("entrypoints.web.console.screens.records.ROWS", 2)
    monkeypatch.setattr("entrypoints.web.console.screen.ROWS", 2)
    door, after, seen = serve(), "", []
    while True:
        asked = urlencode({"after": after} if after else {})
        facts = door.get(f"/records/assignments.json?{asked}").json()
        seen += [one["record"] for one in facts["rows"]]
        after = facts["pages"]["after"]
        assert ('rel="next"' in door.get(f"/records/assignments?{asked}").text) is (after is not None)
        if after is None:
            break
    assert sorted(map(canonical, seen)) == sorted(map(canonical, ASSIGNMENTS))
    facets = {one["name"]: one["values"] for one in facts["facets"]}
    assert [(one["value"], one["count"]) for one in facets["location"]] == [("hq", 6)]
    assert [(one["value"], one["count"]) for one in facets["pricing_param"]] == [("STDQ", 6)]
    assert door.get("/records/assignments.json?user_status=Retired").json()["rows"] == []
    assert len(rows_of(door.get("/records/assignments.csv"))) == 6


def test_a_location_and_its_crawls(serve):
    """Its lists, each with its last crawls, which lead to their pages."""
    door = serve()
    facts = door.get("/locations/1.json").json()
    [assets] = [one for one in facts["lists"] if one["resource"] == "assets"]
    assert assets["records"] == 2
    [crawl] = assets["crawls"]
    picture = door.get(f"/crawls/{crawl['id']}.json").json()["picture"]
    assert [one["state"] for one in picture["cells"]] == ["stored"]
    assert [one["id"] for one in door.get("/crawls.json?resource=assets").json()["rows"]] == [crawl["id"]]
    assert door.get("/locations/2").status_code == 404
    assert door.get("/crawls/9999").status_code == 404


def test_a_wrong_address_is_told(serve):
    """In words, with the status of a wrong request."""
    door = serve()
    for path in (
        "/apps?sort=nothing",
        "/apps?after=nothing",
        "/apps?after=[1]",
        "/apps?after=[[%22x%22]]",
        "/changes?after=[%22a%22]",
        "/changes?since=soon",
        "/records/assets?after=[1,2]",
        "/records/assets?after=[%22a%22,%22b%22,%22c%22]",
        "/crawls?after=[null]",
        "/crawls?after=[true]",
        "/apps?sort=free&after=[true,%22x%22,%22x%22,%22x%22,%22x%22]",
        f"/apps?q={'x' * 501}",
        "/crawls?after=[9223372036854775808]",
    ):
        answer = door.get(path)
        assert answer.status_code == 400, path
        assert "<h1>Bad Request</h1>" in answer.text


def test_nothing_of_strangers_runs(serve, filled):
    """Names that others wrote are shown as they are, without signs that turn the text around."""
    records = [{"adamId": "1", "pricingParam": "STDQ", "clientUserId": HOSTILE}]
    filled.publish(filled.read(filled.stream(filled.location, "assignments"), records, version="v2"))
    filled.locations.rename({"1": HOSTILE})
    door = serve()
    for path in (
        "/locations",
        "/locations/1",
        "/records/assignments",
        "/changes",
        "/holders?q=onerror",
        "/crawls",
    ):
        text = door.get(path).text
        assert "<img src=x" not in text, path
        assert "\u202e" not in text, path
        assert "&lt;img src=x onerror=alert(1)&gt;" in text, path
        assert "{{7*7}}" in text, path


def test_positions_are_read_as_they_were_written():
    """Texts that look like moments stay texts; moments come back as moments."""
    from datetime import UTC, datetime

    values = ["2026-11-27T10:00:00", datetime(2026, 11, 27, tzinfo=UTC), 1, 2.5, None]
    assert read_position(write_position(values)) == values
    for text in ("", "{}", "[[]]", '[["soon"]]', "[[1]]", "[true]", '[["0001-01-01T00:00:00+14:00"]]', "[" * 5000):
        with pytest.raises(WrongQuery):
            read_position(text)


def test_a_sentence_is_split_into_words_and_commands():
    """What is to be typed stands between the signs of a terminal."""
    assert sentence_parts("Renew it. Then: `pageturner sync hq`.") == [
        ("Renew it. Then: ", False),
        ("pageturner sync hq", True),
        (".", False),
    ]


def test_a_line_of_use():
    """Each day has what was assigned at its end; a level line is drawn in the middle."""
    from datetime import date

    today = date(2026, 11, 27)
    days = [
        AssetDay(day=today - timedelta(days=40), total=9, assigned=1, available=8),
        AssetDay(day=today - timedelta(days=2), total=9, assigned=4, available=5),
    ]
    assert used_by_day(days, today, 5) == [1] * 28 + [4, 4, 5]
    assert points([3, 3], 100, 24) == "0.0,12.0 100.0,12.0"
    assert points([0, 10], 100, 24) == "0.0,24.0 100.0,0.0"


def test_pages_lead_to_flower(serve, services):
    """Where somebody said where Flower is, each page that is told of leads to its task; else none does."""
    door = serve()
    [crawl] = door.get("/crawls.json?resource=assets").json()["rows"]
    assert "Flower" not in door.get(f"/crawls/{crawl['id']}").text
    told = services.settings.model_copy(update={"flower_url": "https://flower.example/"})
    object.__setattr__(services, "settings", told)  # the process was started with another setting
    assert f'href="https://flower.example/task/{crawl["id"]}.0.0"' in door.get(f"/crawls/{crawl['id']}").text


def test_what_is_empty_is_shown(serve):
    """An app of which nothing is left is shown and counted; one that nobody takes any of is not."""
    shown = serve().get("/overview.json").json()
    assert [one["adam_id"] for one in shown["running_out"]] == ["409203825"]
    assert shown["running_out_count"] == 1


def test_sums_of_what_is_found_are_whole(serve, filled):
    """However many licences a device has, and in however many places an app is, all are counted."""
    records = [{"adamId": str(n), "pricingParam": "STDQ", "serialNumber": "F9FX0000AAAA"} for n in range(150)]
    filled.publish(filled.read(filled.stream(filled.location, "assignments"), records, version="v2"))
    [found] = serve().get("/holders.json?q=0000AAAA").json()["holders"]
    assert found["licences"] == 150


def test_a_removed_location_is_counted_no_more(serve, filled):
    """Sums follow what is watched, at once."""
    door = serve()
    assert door.get("/overview.json").json()["licences"]["total"] == 15
    filled.locations.remove("hq")
    assert door.get("/overview.json").json()["licences"]["total"] == 0
