"""The simulator: exact about its data, strict about its limit, and in trouble only when told to be."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

SMALL = ("--assets", "5", "--assignments", "95", "--users", "12", "--page-size", "10", "--latency", "20")


@pytest.fixture
def apple(simulate):
    """A small Apple."""
    return simulate(*SMALL)


def ask(apple, path, token=None, **query):
    """Ask as a client would."""
    headers = {"Authorization": f"Bearer {token or apple.token}"}
    return requests.get(f"{apple.origin}/mdm/v2/{path}", params=query, headers=headers, timeout=10)


def read_all(apple, resource):
    """Read every page, one after the other."""
    records, index = [], 0
    while index is not None:
        page = ask(apple, resource, pageIndex=index).json()
        assert page["size"] == len(page[resource])
        records += page[resource]
        index = page.get("nextPageIndex")
    return records


@pytest.mark.parametrize("resource", ["assets", "assignments", "users"])
def test_the_pages_are_the_truth(apple, resource):
    """What the pages show, read to the end, is exactly what the truth says."""
    assert read_all(apple, resource) == apple.truth(resource)


def test_the_same_seed_the_same_data(simulate):
    """Two simulators with one seed hold the same."""
    one, other = simulate(*SMALL), simulate(*SMALL)
    assert one.truth("assignments") == other.truth("assignments")


def test_counts_agree(apple):
    """An asset's assigned count is the number of its assignments, after changes too."""
    apple.change(resource="assignments", insert=7, remove=20, update=5, where="random")
    assigned = [record["adamId"] for record in apple.truth("assignments")]
    for asset in apple.truth("assets"):
        assert asset["assignedCount"] == assigned.count(asset["adamId"])


def test_the_sixth_is_refused_and_remembered(apple):
    """Of six requests at once one is answered 429 with Apple's number."""
    apple.switch(latency=1.0)  # long enough for all six to arrive before the first is answered
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda index: ask(apple, "assignments", pageIndex=index), range(6)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.json()["errorNumber"] for answer in refused] == [9646]
    assert (apple.traffic()["most_in_flight"], apple.traffic()["refused"]) == (6, 1)


def test_a_change_at_a_chosen_moment(apple):
    """Before the k-th request the data move: pages shift, the total grows, the version is another."""
    apple.change(resource="assignments", at_request=2, insert=8, where="front")
    first, second = ask(apple, "assignments").json(), ask(apple, "assignments", pageIndex=1).json()
    assert (first["totalPages"], second["totalPages"]) == (10, 11)
    assert first["versionId"] != second["versionId"]
    assert set(map(json.dumps, first["assignments"])) & set(map(json.dumps, second["assignments"]))


def test_beyond_the_end(apple):
    """A page that does not exist is 9650, or empty, by switch."""
    assert ask(apple, "assignments", pageIndex=10).json()["errorNumber"] == 9650
    apple.switch(beyond_end="empty")
    assert ask(apple, "assignments", pageIndex=10).json()["assignments"] == []


def test_tokens(apple):
    """An unknown token, an expired one, and one that a newer one took the place of, are refused by number."""
    assert ask(apple, "users", token="unknown").json()["errorNumber"] == 9622
    old = apple.token
    new = apple.new_token()
    assert ask(apple, "users", token=old).json()["errorNumber"] == 9625
    assert ask(apple, "users", token=new).status_code == 200
    apple.set_token("expired")
    assert ask(apple, "users", token=new).json()["errorNumber"] == 9621


def test_a_rate(simulate):
    """A limit of requests a second is announced, and kept to."""
    apple = simulate(*SMALL, "--rate", "3")
    config = requests.get(f"{apple.origin}/mdm/v2/service/config", timeout=10).json()
    assert config["limits"]["maxRequestPerSecond"] == 3
    assert [ask(apple, "assets").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_whose_token_this_is(apple):
    """client/config names the location."""
    assert ask(apple, "client/config").json()["uId"] == apple.uid
