"""What is not known of Apple is a switch: each choice changes what it says, and nothing else."""

from typing import Any

import pytest

from simulator.catalogue import Size
from simulator.switches import CHOICES, Switches

from .local import make_apple


def walk_cursors(apple, path, member):
    """Read a list along its cursors."""
    records: list[dict[str, Any]] = []
    cursors: list[str] = []
    query: dict[str, str] = {}
    while True:
        page = apple.get(path, **query)
        records += page[member]
        if "nextCursor" not in page:
            return records, cursors
        cursors.append(page["nextCursor"])
        query = {"cursor": page["nextCursor"]}


def test_cursors_lead_to_the_end():
    """A list with cursors is read to its end, one page after the other, and each cursor is another."""
    apple = make_apple()
    records, cursors = walk_cursors(apple, "subscriptions/assignments", "assignments")
    assert len(records) == 15
    assert len(set(cursors)) == 1
    assert apple.control("GET", f"traffic/{apple.uid}")["most_chained"] == 1


def test_a_cursor_is_of_one_list():
    """A cursor of another list, an unknown one, and an expired one are refused with Apple's number."""
    apple = make_apple()
    cursor = apple.get("subscriptions")["nextCursor"]
    for path, given in (("subscriptions/admins", cursor), ("subscriptions", "unknown")):
        assert apple.get(path, cursor=given)["errorNumber"] == 9812
    apple.control("POST", f"expire/{apple.uid}", ["cursors"])
    assert apple.get("subscriptions", cursor=cursor)["errorNumber"] == 9812


@pytest.mark.parametrize(("switch", "answer"), [("9650", 400), ("empty", 200)])
def test_a_page_beyond_the_end(switch, answer):
    """A page beyond the end is an error, or empty."""
    apple = make_apple(beyond_end=switch)
    page = apple.get("assignments", pageIndex=99)
    assert apple.statuses == [answer]
    assert page.get("errorNumber") == (9650 if answer == 400 else None)
    assert page.get("assignments", []) == []


def test_errors_with_the_status_of_success():
    """By a switch every error has the HTTP status 200: its number is all that tells."""
    apple = make_apple(errors="200")
    assert apple.get("assignments", sinceVersionId="unknown")["errorNumber"] == 9721
    assert apple.statuses == [200]


@pytest.mark.parametrize(("switch", "pages"), [("one page", 1), ("no page", 0)])
def test_a_list_without_records(switch, pages):
    """An empty list has one page, or none; its first page is there in any case."""
    apple = make_apple(size=Size(users=0), nothing=switch)
    page = apple.get("users")
    assert (page["totalPages"], page["users"]) == (pages, [])


def test_totals_may_be_left_out():
    """By a switch no page says how many there are; each still names the next."""
    apple = make_apple(totals="absent")
    assert "totalPages" not in apple.get("assignments")
    assert len(apple.walk("assignments", "assignments")) == 45


def test_a_page_may_be_empty_though_others_follow():
    """By a switch the second page is empty: a reader that stops there misses the rest."""
    apple = make_apple(empty_pages="some")
    assert apple.get("assignments", pageIndex=1)["assignments"] == []
    assert len(apple.walk("assignments", "assignments")) == 45


def test_optional_fields_may_be_missing():
    """By a switch all that need not be there is missing, in records and around them."""
    apple = make_apple(optional="missing")
    page = apple.get("users")
    assert not {"uId", "size", "currentPageIndex", "tokenExpirationDate"} & set(page)
    assert not [user for user in page["users"] if "email" in user]


def test_unknown_fields_may_be_there():
    """By a switch there are fields that nobody documented, in records and around them."""
    page = make_apple(unknown="present").get("users")
    assert "futureEnvelope" in page
    assert all("futureField" in user for user in page["users"])


def test_endless_assets_apart():
    """By a switch one asset is in a list of its own."""
    page = make_apple(unlimited="apart").get("assets")
    assert (len(page["assets"]), len(page["unlimitedAssets"])) == (5, 1)


@pytest.mark.parametrize(("switch", "is_right"), [("exact", True), ("wrong", False), ("absent", False)])
def test_what_assets_count(switch, is_right):
    """Assets count their assignments exactly, wrongly for some of them and for ever, or not at all."""
    apple = make_apple(counts=switch)
    assigned = [one["adamId"] for one in apple.walk("assignments", "assignments")]
    assets = apple.walk("assets", "assets")
    assert all(one.get("assignedCount") == assigned.count(one["adamId"]) for one in assets) is is_right
    if switch == "absent":
        assert not [one for one in assets if "assignedCount" in one]


@pytest.mark.parametrize("switch", ["within", "wild"])
def test_an_order_that_never_rests(switch):
    """The order may change from answer to answer, within each page or across all, though nothing changes."""
    apple = make_apple(order=switch)
    orders = {tuple(str(one) for one in apple.get("assignments")["assignments"]) for _ in range(8)}
    assert len(orders) > 1
    if switch == "within":
        assert len({frozenset(order) for order in orders}) == 1


def test_nobody_may_be_null():
    """A location that no service manages leaves `mdmInfo` out, or has null there."""
    assert "mdmInfo" not in make_apple().get("assets")
    assert make_apple(nobody="null").get("assets")["mdmInfo"] is None


@pytest.mark.parametrize("switch", ["listed", "hidden"])
def test_retired_users_in_the_changes(switch):
    """A user who is retired is in the list of changes, or is not."""
    apple = make_apple(retirements=switch)
    since = apple.get("users")["versionId"]
    apple.control("POST", f"changes/{apple.uid}", [{"resource": "users", "retire": 2}])
    changed = apple.get("users", sinceVersionId=since)["users"]
    assert ("Retired" in {one["status"] for one in changed}) is (switch == "listed")


@pytest.mark.parametrize(("switch", "names"), [("usual", 4), ("none", 0), ("moved", 4), ("elsewhere", 4)], ids=str)
def test_the_addresses_of_the_service_config(switch, names):
    """The service config names the usual addresses, none, others, or those of another host."""
    urls = make_apple(urls=switch).session.get("http://apple/mdm/v2/service/config").json().get("urls", {})
    assert len(urls) >= names
    assert bool([url for url in urls.values() if "127.0.0.2" in url]) is (switch == "elsewhere")


def test_a_switch_is_checked():
    """A switch that does not exist, or a choice that it does not have, is refused, and nothing is set."""
    switches = Switches()
    for wanted in ({"colour": "red"}, {"errors": "500"}):
        with pytest.raises(ValueError, match="There is no switch"):
            switches.turn(wanted)
    assert switches == Switches()
    apple = make_apple()
    assert "There is no switch colour = red." in apple.control("POST", "switches", {"colour": "red"})["problem"]
    assert apple.control("POST", "switches", {"errors": "200"})["errors"] == "200"


def test_every_switch_has_a_usual_choice():
    """The default of each switch is one of its choices."""
    usual = vars(Switches())
    assert {name for name, choices in CHOICES.items() if usual[name] not in choices} == set()
