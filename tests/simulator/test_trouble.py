"""Trouble on demand, and the endpoints that Apple does not have."""

import json

import pytest

from simulator.catalogue import Size
from simulator.renderer import Cut
from simulator.trouble import Fault

from .local import LocalApple, make_apple


@pytest.fixture
def apple() -> LocalApple:
    """An Apple without trouble."""
    return make_apple()


def break_(apple: LocalApple, **fault) -> None:
    """Have one answer go wrong."""
    apple.control("POST", f"faults/{apple.uid}", [fault])


def raw(apple: LocalApple, path: str = "assignments"):
    """Request a page, and return the answer as it is."""
    headers = {"Authorization": f"Bearer {apple.location.token}", "Accept-Encoding": "identity"}
    return apple.session.get(f"http://apple/mdm/v2/{path}", headers=headers)


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("error", 400, '"errorNumber": 9602'),
        ("status", 400, ""),
        ("html", 400, "Please sign in"),
        ("shape", 200, "surprise"),
    ],
)
def test_an_answer_that_is_none(apple, kind, status, words):
    """An error with a number, one without a body, a proxy's page, and JSON of another shape."""
    break_(apple, resource="assignments", kind=kind)
    answer = raw(apple)
    assert (answer.status_code, words in answer.text) == (status, True)
    assert raw(apple).json()["assignments"]


def test_json_that_breaks_off(apple):
    """A page that breaks off in the middle is no JSON."""
    break_(apple, resource="assignments", kind="truncated")
    with pytest.raises(json.JSONDecodeError):
        raw(apple).json()


def test_a_page_without_its_list(apple):
    """A page that lacks its list has everything else."""
    break_(apple, resource="assignments", kind="lost")
    page = apple.get("assignments")
    assert "assignments" not in page
    assert page["totalPages"] == 5


def test_somebody_elses_page(apple):
    """A page may name another location, or another service that manages it."""
    break_(apple, resource="assignments", kind="other-location")
    assert apple.get("assignments")["uId"] == "999"
    break_(apple, resource="assignments", kind="other-owner")
    assert apple.get("assignments")["mdmInfo"]["id"] == "other"


def test_a_batch_without_its_token(apple):
    """A batch of the legacy service may lack the token that goes on from it."""
    break_(apple, resource="licenses", kind="no-token")
    assert not [name for name in apple.call("getVPPLicensesSrv") if name.endswith("Token")]


def test_a_fault_is_for_its_page(apple):
    """A fault of one page strikes that page, as many times as it is told to, and no other."""
    break_(apple, resource="assignments", kind="error", page=2, times=2)
    numbers = [apple.get("assignments", pageIndex=index).get("errorNumber") for index in (0, 2, 1, 2, 2)]
    assert numbers == [None, 9602, None, 9602, None]


def test_a_fault_of_anything():
    """A fault of every resource strikes the next request, whichever it is."""
    fault = Fault(resource="*", kind="error")
    assert fault.hits("users", 0)
    assert not fault.hits("users", 0)


def test_a_fault_of_assets_alone():
    """A fault may be for requests of one asset's assignments, or for all others."""
    fault = Fault(resource="assignments", kind="error", of_asset=True, times=9)
    assert not fault.hits("assignments", 0, of_asset=False)
    assert fault.hits("assignments", 0, of_asset=True)


def test_a_change_at_a_chosen_request(apple):
    """A change that waits for the third request happens right before that, and once."""
    apple.control("POST", f"changes/{apple.uid}", [{"resource": "users", "at_request": 3, "remove": 25}])
    sizes = [apple.get("users")["size"] for _ in range(4)]
    assert sizes == [10, 10, 0, 0]


def test_changes_that_wait_can_be_made_now(apple):
    """Changes that wait for a request that never comes are made on demand."""
    body = [{"resource": "users", "at_request": 99, "insert": 5}]
    assert apple.control("POST", f"changes/{apple.uid}", body) == {"waiting": 1}
    assert apple.control("DELETE", f"changes/{apple.uid}") == {"waiting": 0}
    assert len(apple.walk("users", "users")) == 30


def test_each_state_has_its_name(apple):
    """Each change gives a list another version; one that was forgotten is refused."""
    first = apple.get("users")["versionId"]
    apple.control("POST", f"changes/{apple.uid}", [{"resource": "users", "update": 1}])
    second = apple.get("users")["versionId"]
    assert first != second
    assert apple.get("users", sinceVersionId=first)["versionId"] == second
    apple.control("POST", f"expire/{apple.uid}", ["versions"])
    assert apple.get("users", sinceVersionId=first)["errorNumber"] == 9721


def test_assignments_move_their_assets(apple):
    """Assets count assignments: a change of these gives both lists another version."""
    before = {name: apple.get(name)["versionId"] for name in ("assets", "assignments", "users")}
    apple.control("POST", f"changes/{apple.uid}", [{"resource": "assignments", "insert": 1}])
    after = {name: apple.get(name)["versionId"] for name in before}
    assert {name for name in before if before[name] != after[name]} == {"assets", "assignments"}


def test_an_asset_takes_its_assignments_along(apple):
    """An asset that is removed leaves no assignment behind."""
    gone = apple.walk("assets", "assets")[0]["adamId"]
    apple.control("POST", f"changes/{apple.uid}", [{"resource": "assets", "remove": 1, "where": "front"}])
    assert gone not in {one["adamId"] for one in apple.walk("assignments", "assignments")}


def test_retired_users_stay_in_the_list(apple):
    """A user who is retired is one row as before, whose status says so."""
    apple.control("POST", f"changes/{apple.uid}", [{"resource": "users", "retire": 3}])
    users = apple.walk("users", "users")
    assert len(users) == 25
    assert sum(one["status"] == "Retired" for one in users) >= 1


def test_the_truth_is_what_the_pages_show(apple):
    """What a test compares a mirror with is each record as it stands on a page."""
    truth = [json.loads(record) for record in apple.location.rendering.records(Cut("users"))]
    assert truth == apple.walk("users", "users")


def test_traffic_is_counted_until_it_is_forgotten(apple):
    """Requests are counted by resource and page; the count can begin again."""
    apple.walk("users", "users")
    counted = apple.control("DELETE", f"traffic/{apple.uid}")
    assert (counted["by_resource"]["users"], counted["by_page"]["users/2"]) == (3, 1)
    assert apple.control("GET", f"traffic/{apple.uid}")["requests"] == 0


@pytest.mark.parametrize(("state", "number"), [("expired", 9621), ("revoked", 9625), ("wrong", 9622)])
def test_a_token_that_is_no_good(apple, state, number):
    """A token that has expired, was revoked, or was never given is refused with its number."""
    apple.control("POST", f"tokens/{apple.uid}", {"state": state})
    assert apple.get("users")["errorNumber"] == number
    assert apple.statuses[-1] == 401


def test_a_new_token_revokes_the_old(apple):
    """As at Apple, only the newest token of a location is valid."""
    old = apple.location.token
    new = apple.control("POST", f"tokens/{apple.uid}", {})["token"]
    assert apple.get("users", token=old)["errorNumber"] == 9625
    assert "users" in apple.get("users", token=new)


def test_the_end_of_a_token_is_reported(apple):
    """The end of a token stands on every page, and can be moved."""
    apple.control("POST", f"tokens/{apple.uid}", {"expires": "2027-01-01T00:00:00+0000"})
    assert apple.get("users")["tokenExpirationDate"].startswith("2027-01-01")
    assert apple.get("client/config")["tokenExpirationDate"].startswith("2027-01-01")


def test_an_owner_is_shown(apple):
    """The service that manages a location stands on every page of the present service."""
    apple.control("POST", f"owner/{apple.uid}", {"id": "other", "name": "Other MDM", "metadata": ""})
    assert apple.get("assets")["mdmInfo"]["name"] == "Other MDM"


def test_the_locations_and_their_tokens(apple):
    """A test finds the locations, with their tokens, on the wire."""
    [one] = apple.control("GET", "locations")
    assert (one["uid"], one["token"]) == (apple.uid, apple.location.token)


def test_a_resource_that_there_is_none():
    """A size of a list that is not there is refused by its name."""
    with pytest.raises(ValueError, match="There is no resource apps"):
        Size(apps=3)


def test_sizes_are_as_asked():
    """Each list has as many records as asked, and the usual number where nothing is asked."""
    size = Size(users=7, subscription_admins=2)
    assert (size.of("users"), size.of("subscription-admins")) == (7, 2)
    assert size.of("assets") > 0
