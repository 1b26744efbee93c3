"""`pageturner report`: tables for people, files for programs, and the same names in all of them."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
from pyarrow.parquet import read_table

from apple.client import ClientConfig
from apple.listings import Listing, Storefront
from entrypoints.exits import Exit
from entrypoints.terminal import fitting
from storage.listings import WantedListing
from storage.views import VIEWS

HOME = Storefront(country="us", catalogue="enterprisestore")


@pytest.fixture
def reported(terminal):
    """A terminal at a mirror with two apps, of which one has a name."""
    config = ClientConfig(uid="1", name="HQ", owner=None, token_expires=None, country="US")
    terminal.store.locations.note_config(terminal.store.location.id, config)
    counts = {"assignedCount": 617, "availableCount": 3, "retiredCount": 0, "totalCount": 620}
    few = {"assignedCount": 1, "availableCount": 9, "retiredCount": 0, "totalCount": 10}
    app = {"pricingParam": "STDQ", "productType": "App", "revocable": True, "supportedPlatforms": ["iOS"]}
    assets = [{"adamId": "361285480", **app, **counts}, {"adamId": "100", **app, **few}]
    terminal.publish("assets", *assets, version="v1")
    terminal.store.listings.want_new()
    listing = Listing(adam_id="361285480", name="=Keynote", publisher="Apple", price="$9.99")
    now = datetime.now(UTC)
    terminal.store.listings.note_found(
        WantedListing(adam_id="361285480", seen_from=HOME), listing, HOME, "en-us", now, now
    )
    return terminal


def test_reports_are_listed(terminal):
    """Without a name each report has a line that says what it answers."""
    lines = terminal.run("report").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(VIEWS)
    assert all(line.rstrip().endswith("?") for line in lines)


def test_a_table_begins_with_names(reported):
    """A table shows the name first, what is nearest to running out on top, and how old the numbers are."""
    ended = reported.run("report", "licences")
    header, first, second = ended.out.splitlines()
    assert header.split()[:5] == ["name", "location", "total", "assigned", "available"]
    assert first.startswith("=Keynote")
    assert second.startswith("100 ")
    assert "99.5 %" in first
    assert "2 rows, as of" in ended.err


def test_columns_go_before_letters_do():
    """Of columns that do not fit together the last ones are left out; the first is there in any case."""
    cells = [["Keynote", "somewhere far away", "620"], ["A name that is long", "hq", "3"]]
    names = ["name", "location", "total"]
    assert fitting(names, cells, 200) == names
    assert fitting(names, cells, 46) == names
    assert fitting(names, cells, 45) == ["name", "location"]
    assert fitting(names, cells, 5) == ["name"]


def test_the_same_names_in_every_format(reported, tmp_path):
    """CSV, JSON, lines of JSON and a workbook have the columns of the view, by the ending of the file."""
    columns = list(VIEWS["licences"].columns)
    files = {ending: tmp_path / f"licences.{ending}" for ending in ("csv", "json", "ndjson", "xlsx")}
    for file in files.values():
        assert reported.run("report", "licences", "--output", str(file)).status == Exit.IN_STEP
    table = list(csv.DictReader(io.StringIO(files["csv"].read_text())))
    assert list(table[0]) == columns
    assert (table[0]["adam_id"], table[0]["available"], table[0]["revocable"]) == ("361285480", "3", "true")
    assert datetime.fromisoformat(table[0]["as_of"]).tzinfo is not None
    objects = json.loads(files["json"].read_text())
    assert [list(one) for one in objects] == [columns] * 2
    assert [json.loads(line) for line in files["ndjson"].read_text().splitlines()] == objects
    assert objects[0]["total"] == 620
    with zipfile.ZipFile(files["xlsx"]) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<is><t>361285480</t></is>" in sheet
    assert "<f>" not in sheet
    assert "<v>620</v>" in sheet


def test_parquet(reported, tmp_path):
    """Parquet has the columns of the view with their types: ids are texts, counts numbers, moments in UTC."""
    file = tmp_path / "licences.parquet"
    assert reported.run("report", "licences", "--output", str(file)).status == Exit.IN_STEP
    table = read_table(file)
    assert table.column_names == list(VIEWS["licences"].columns)
    assert [
        str(table.schema.field(name).type) for name in ("adam_id", "total", "used_percent", "revocable", "as_of")
    ] == [
        *("string", "int64", "double", "bool", "timestamp[us, tz=UTC]"),
    ]
    [first, _] = table.to_pylist()
    assert (first["name"], first["available"], first["revocable"]) == ("=Keynote", 3, True)
    reported.run("report", "seats", "--output", str(file))
    assert read_table(file).num_rows == 0


def test_parquet_needs_a_library(reported, tmp_path, monkeypatch):
    """Without the library that writes Parquet, the error says how to have it."""
    monkeypatch.setattr("entrypoints.sheets.find_spec", lambda _: None)
    ended = reported.run("report", "licences", "--output", str(tmp_path / "x.parquet"))
    assert (ended.status, "pip install 'pageturner[parquet]'" in ended.err) == (Exit.USAGE, True)


def test_nothing_is_an_empty_array(reported):
    """A report without rows is an empty table, array or file with a header, and no error."""
    assert reported.run("report", "seats", "--format", "json").out == "[]\n"
    assert reported.run("report", "seats", "--format", "csv").out.startswith("location,location_uid,")
    assert "No rows." in reported.run("report", "seats").err


def test_nothing_was_read(terminal):
    """A report of lists that were never read says so beside its rows."""
    ended = terminal.run("report", "licences")
    assert (ended.status, ended.err) == (
        Exit.IN_STEP,
        "Nothing of this was read from Apple yet: pageturner sync\nNo rows.\n",
    )


def test_a_number_is_compared_as_one(reported):
    """A number is found however it is written."""
    chosen = ("--columns", "adam_id", "--format", "csv")
    for number in ("620", "620.0"):
        assert reported.run("report", "licences", *chosen, "--where", f"total={number}").out == "adam_id\n361285480\n"


def test_csv_for_spreadsheets(reported):
    """What Excel would run or round is a text there, and its UTF-8 is marked."""
    out = reported.run("report", "licences", "--format", "csv", "--for-spreadsheets", "--limit", "1").out
    assert out.startswith("\ufeff")
    [row] = csv.DictReader(io.StringIO(out.removeprefix("\ufeff")))
    assert (row["name"], row["adam_id"]) == ("'=Keynote", '="361285480"')


def test_rows_are_chosen(reported):
    """Columns, conditions, an order and a limit choose what is shown."""
    chosen = ("--columns", "adam_id,total", "--sort", "-total", "--format", "csv")
    assert reported.run("report", "licences", *chosen).out == "adam_id,total\n361285480,620\n100,10\n"
    assert reported.run("report", "licences", *chosen, "--limit", "1").out == "adam_id,total\n361285480,620\n"
    assert reported.run("report", "licences", *chosen, "--where", "name=100").out == "adam_id,total\n100,10\n"
    assert (
        reported.run("report", "locations-health", "--columns", "location", "--format", "csv").out == "location\nhq\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("apps-we-have",), "There is no report 'apps-we-have'; there are licences,"),
        (("licences", "--columns", "name,owner"), "There is no such column. ('owner'; licences has location,"),
        (("licenses",), "There is no report 'licenses'; did you mean licences?"),
        (("licences", "--where", "name"), "--where wants COLUMN=VALUE, and not 'name': SQL takes other questions"),
        (("licences", "--where", "total=few"), "--where total wants a number, and not 'few'."),
        (("licences", "--output", "x.pdf"), "x.pdf: no format has this ending"),
        (("licences", "--format", "table", "--output", "x.txt"), "A table is for a terminal"),
        (("licences", "--sort", "-size"), "There is no such column. ('size';"),
        (("licences", "--location", "nowhere"), "There is no such location. ('nowhere';"),
    ],
)
def test_a_mistake_is_named(reported, arguments, words):
    """A report, a column or a location that there is not is named, with those that there are."""
    ended = reported.run("report", *arguments)
    assert (ended.status, words in ended.err) == (Exit.USAGE, True), ended.err
