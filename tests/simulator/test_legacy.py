"""The legacy service: batches by number beside a token, and changes by another."""

import pytest

from .local import make_apple

LICENSES, USERS, ASSETS = "getVPPLicensesSrv", "getVPPUsersSrv", "getVPPAssetsSrv"


def all_batches(apple, name, member, first):
    """Read the first answer and every batch by its number."""
    total, token = int(first["totalBatchCount"]), first["batchToken"]
    batches = [apple.call(name, batchToken=token, overrideIndex=number) for number in range(1, total + 1)]
    return batches, [record for batch in (first, *batches) for record in batch.get(member, [])]


@pytest.mark.parametrize("first_batch", ["inside", "outside"])
def test_every_batch_by_its_number(first_batch):
    """All batches together are the whole list, whether the first answer is batch 1 or comes before it."""
    apple = make_apple(first_batch=first_batch)
    first = apple.call(LICENSES)
    batches, records = all_batches(apple, LICENSES, "licenses", first)
    ids = {record["licenseId"] for record in records}
    assert len(ids) == first["totalCount"] == 25
    assert len(records) == (35 if first_batch == "inside" else 25)
    assert len(batches) == (3 if first_batch == "inside" else 2)


def test_batches_one_after_the_other():
    """Without numbers, each batch is found by the token of the one before; the last has the token for later changes."""
    apple = make_apple()
    answer, records = apple.call(USERS), []
    while True:
        records += answer["users"]
        if "batchToken" not in answer:
            break
        answer = apple.call(USERS, batchToken=answer["batchToken"])
    assert len(records) == 12
    assert "sinceModifiedToken" in answer


def test_what_changed_since():
    """The token of the last batch lists what changed after it, and again a token for later."""
    apple = make_apple()
    first = apple.call(LICENSES)
    batches, _ = all_batches(apple, LICENSES, "licenses", first)
    since = batches[-1]["sinceModifiedToken"]
    nothing = apple.call(LICENSES, sinceModifiedToken=since)
    assert (nothing["licenses"], "batchToken" in nothing) == ([], False)
    apple.control("POST", f"changes/{apple.uid}", [{"resource": "licenses", "update": 3, "remove": 1}])
    changed = apple.call(LICENSES, sinceModifiedToken=since)
    assert 1 <= len(changed["licenses"]) <= 3
    assert changed["sinceModifiedToken"] != since


def test_removals_may_be_listed():
    """By a switch, a record that is gone is in the list of changes, where it looks like any other."""
    apple = make_apple(removals="listed")
    first = apple.call(USERS)
    batches, _ = all_batches(apple, USERS, "users", first)
    apple.control("POST", f"changes/{apple.uid}", [{"resource": "legacy-users", "remove": 2}])
    changed = apple.call(USERS, sinceModifiedToken=batches[-1]["sinceModifiedToken"])
    assert len(changed["users"]) == 2


@pytest.mark.parametrize("kind", ["batchToken", "sinceModifiedToken"])
def test_an_unknown_token(kind):
    """A token that was never given, or has expired, is an error with Apple's number, and the HTTP status 200."""
    apple = make_apple()
    answer = apple.call(LICENSES, **{kind: "unknown"})
    assert (answer["status"], answer["errorNumber"], apple.statuses) == (-1, 9633, [200])
    given = apple.call(LICENSES)["batchToken"]
    apple.control("POST", f"expire/{apple.uid}", ["batches"])
    assert apple.call(LICENSES, batchToken=given)["errorNumber"] == 9633


def test_a_token_of_another_list():
    """A batch token of one list opens no other."""
    apple = make_apple()
    assert apple.call(USERS, batchToken=apple.call(LICENSES)["batchToken"])["errorNumber"] == 9633


def test_only_the_first_may_bring_a_token():
    """By a switch, batches that are asked for by number bring no batch token."""
    apple = make_apple(batch_tokens="first")
    batches, _ = all_batches(apple, LICENSES, "licenses", apple.call(LICENSES))
    assert not [batch for batch in batches if "batchToken" in batch]


def test_totals_as_texts():
    """By a switch, the legacy service writes its total as a text."""
    assert make_apple(totals="string").call(LICENSES)["totalBatchCount"] == "3"


def test_assets_in_one_answer():
    """Assets of the legacy service come whole, without batches or tokens; an empty list is left out."""
    apple = make_apple()
    answer = apple.call(ASSETS)
    assert len(answer["assets"]) == answer["totalCount"] == 40
    assert not {"batchToken", "sinceModifiedToken", "totalBatchCount"} & set(answer)
    apple.control("POST", f"changes/{apple.uid}", [{"resource": "legacy-assets", "remove": 40}])
    assert "assets" not in apple.call(ASSETS)


def test_a_service_that_moved():
    """After a move the old address says so, and the service's own config names the new ones."""
    apple = make_apple(legacy="moved")
    assert apple.call(LICENSES)["errorNumber"] == 9617
    config = apple.session.get("http://apple/mdm/VPPServiceConfigSrv").json()
    [moved] = [url for url in config.values() if isinstance(url, str) and url.endswith(LICENSES)]
    answer = apple.session.post(moved, json={"sToken": apple.location.token}).json()
    assert answer["totalCount"] == 25


def test_a_token_in_the_wrong_place_is_counted():
    """A token of the legacy service belongs into the body alone: a header with it is remembered as a leak."""
    apple = make_apple()
    headers = {"Authorization": f"Bearer {apple.location.token}"}
    apple.session.post(f"http://apple/mdm/{LICENSES}", json={"sToken": apple.location.token}, headers=headers)
    assert apple.control("GET", f"traffic/{apple.uid}")["leaks"] == 1


def test_an_unknown_location():
    """A token that no location has is refused, in the legacy service's own shape."""
    apple = make_apple()
    assert apple.call(LICENSES, token="unknown") == {
        "status": -1,
        "errorNumber": 9622,
        "errorMessage": "Invalid authentication token",
    }
