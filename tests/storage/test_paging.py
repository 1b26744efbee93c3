"""Lists that are read page by page: each row once, whatever the order, and whatever comes and goes meanwhile."""

from typing import Any

import pytest

from storage.errors import UnknownColumn, WrongPosition
from storage.mirror.browse import FACETS, RecordChoice
from storage.mirror.tables import MIRRORS
from storage.reports import Choice, Paged, Search, paged_by
from storage.sealer import Sealer, make_key
from storage.views import VIEWS
from tests.support.filled_store import FilledStore

COUNTS = ((10, 9), (5, 5), (0, 0), (7, 1), (5, 5))


@pytest.fixture
def store(database) -> FilledStore:
    """A store of two locations with some assets, of which some are alike."""
    made = FilledStore(database, Sealer([make_key()]))
    for name, uid in (("hq", "1"), ("lab", "2")):
        location = made.add(name, uid)
        assets = [
            {"adamId": str(number), "pricingParam": "STDQ", "totalCount": total, "assignedCount": used}
            | {"availableCount": total - used, "retiredCount": 0, "productType": "Book" if number == 3 else "App"}
            for number, (total, used) in enumerate(COUNTS)
        ]
        made.publish(made.read(made.stream(location, "assets"), assets))
        assignments = [{"adamId": "1", "pricingParam": "STDQ", "serialNumber": f"S{n}"} for n in range(5)]
        assignments += [{"adamId": "1", "pricingParam": "STDQ", "clientUserId": f"U{n}"} for n in range(3)]
        made.publish(made.read(made.stream(location, "assignments"), assignments))
    return made


def pages(store, view, sort, size: int = 2) -> list[Any]:
    """Read a view page by page."""
    order, found, after = [name.removeprefix("-") for name in paged_by(view, sort)], [], None
    while True:
        choice = Choice(sort=sort, page=Paged(after=after), limit=size)
        rows = list(store.reports.rows(view, choice))
        found += rows
        if len(rows) < size:
            return found
        last = dict(zip(view.columns, rows[-1], strict=True))
        after = [last[name] for name in order]


@pytest.mark.parametrize("sort", [(), ("-used_percent",), ("available", "-total"), ("price",), ("-price", "-name")])
def test_every_row_is_on_one_page(store, sort):
    """However alike rows are, and wherever columns are empty."""
    view = VIEWS["licences"]
    whole = list(store.reports.rows(view, Choice(sort=paged_by(view, sort))))
    assert pages(store, view, sort) == whole
    assert len(whole) == 10


def test_holders_of_both_kinds_are_paged(store):
    """Rows whose keys have empty parts are on one page as well."""
    view = VIEWS["holders"]
    found = pages(store, view, ("location", "serial_number", "client_user_id"), 3)
    assert len({tuple(row) for row in found}) == len(found) == 16


@pytest.mark.parametrize("name", list(VIEWS))
def test_every_view_has_a_key(store, name):
    """No two rows have the same values in it."""
    view = VIEWS[name]
    rows = [tuple(row) for row in store.reports.rows(view, Choice(columns=view.key))]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("after", [(), (1,), ("a",), ("a", "b", "c", "d", "e", "f", "g", "h"), (None, 1, 2, 3, 4, 5)])
def test_a_wrong_position_is_refused(store, after):
    """One with too few values, or values of other kinds, is of no row."""
    with pytest.raises(WrongPosition):
        list(store.reports.rows(VIEWS["licences"], Choice(page=Paged(after=after))))
    with pytest.raises(WrongPosition):
        store.browser.page(RecordChoice(resource="users"), after or (1, 2, 3), 10)


def test_a_text_is_found_in_some_columns(store):
    """In whatever case, and with signs that mean something in SQL."""
    search = Search(text="s1", columns=("serial_number", "client_user_id"))
    rows = list(store.reports.rows(VIEWS["holders"], Choice(columns=("serial_number",), search=search)))
    assert [row[0] for row in rows] == ["S1", "S1"]
    for text in ("%", "_1", "S1'"):
        nothing = Choice(search=Search(text=text, columns=("serial_number",)))
        assert list(store.reports.rows(VIEWS["holders"], nothing)) == []


def test_among(store):
    """Only rows in which a column is one of some."""
    chosen = Choice(columns=("adam_id", "location"), among={"adam_id": ["1", "3"], "location_uid": ["2"]})
    assert sorted(map(tuple, store.reports.rows(VIEWS["licences"], chosen))) == [("1", "lab"), ("3", "lab")]


def browse(store, size: int = 3, **chosen) -> list[str]:
    """Read records page by page."""
    choice, found, after = RecordChoice(**chosen), [], None
    while True:
        some = store.browser.page(choice, after, size)
        found += [f"{one.place} {one.record}" for one in some]
        if len(some) < size:
            return found
        after = some[-1].position


def test_records_page_by_page(store):
    """All of them, of one location, that say something, or that have a text."""
    assert len(set(browse(store, resource="assignments"))) == 16
    assert {one.partition(" ")[0] for one in browse(store, resource="assignments", uids=["2"])} == {"lab"}
    assert len(browse(store, resource="assets", where={"product_type": "Book"})) == 2
    assert len(browse(store, resource="assignments", text="u2")) == 2
    assert len(browse(store, resource="assets", where={"device_assignable": ""})) == 10
    with pytest.raises(UnknownColumn):
        browse(store, resource="assets", where={"record": "x"})


def test_records_are_counted_by_what_they_say(store):
    """Each fact is counted among those that are chosen by the other facts."""
    facets = store.browser.facets(RecordChoice(resource="assets", where={"product_type": "Book"}))
    assert facets["product_type"] == [("App", 8), ("Book", 2)]
    assert facets["pricing_param"] == [("STDQ", 2)]
    assert store.browser.places(RecordChoice(resource="assets")) in ([("hq", 5), ("lab", 5)], [("lab", 5), ("hq", 5)])


@pytest.mark.parametrize("resource", list(MIRRORS))
def test_every_resource_can_be_browsed(store, resource):
    """By each of its facts."""
    assert set(store.browser.facets(RecordChoice(resource=resource))) == set(FACETS[resource])
    for name in FACETS[resource]:
        browse(store, resource=resource, where={name: "yes"}, text="a")


def test_what_is_no_longer_watched_is_not_browsed(store):
    """Its records are kept, and not shown."""
    store.locations.remove("lab")
    assert {one.partition(" ")[0] for one in browse(store, resource="assignments")} == {"hq"}
    assert [name for name, _ in store.browser.places(RecordChoice(resource="assets"))] == ["hq"]


def test_the_last_changes(store):
    """The newest first, those before a number, and those of a holder alone."""
    from storage.mirror.feed import Sieve

    last = store.feed.extent().last
    assert [one.seq for one in store.feed.latest(Sieve(), None, 3)] == [last, last - 1, last - 2]
    assert [one.seq for one in store.feed.latest(Sieve(), 3, 9)] == [2, 1]
    assert [one.key["serialNumber"] for one in store.feed.latest(Sieve(holder="S1", uids=["1"]), None, 9)] == ["S1"]


def test_sums(store):
    """Over all locations that are watched."""
    sums = store.sums.licences()
    assert (sums.apps, sums.total, sums.assigned, sums.available) == (5, 54, 40, 14)
    store.locations.remove("lab")
    assert store.sums.licences().total == 27
